#!/bin/sh
# Prints the version of a package: packaging/version.sh FORMAT DESCRIPTION,
# where DESCRIPTION is what "git describe --tags --always --dirty" says.
# Later commits sort later, in dpkg, opkg and apk:
#   tag v1.2.3        1.2.3                         1.2.3
#   4 commits later   1.2.3+git20261125.97.abc123   1.2.3_git20261125-r97
#   tag v1.3.0-rc1    1.3.0~rc1                     1.3.0_rc1
#   no tag at all     0.0.0~git20261125.97.abc123   0.0.0_git20261125-r97
# apk has no free text, and its _git is above the plain version already.
# 97 is the number of commits; COMMIT_DATE and COMMIT_COUNT override git.
set -eu
format=$1 said=$2
date=${COMMIT_DATE:-$(git log -1 --format=%cd --date=format:%Y%m%d 2>/dev/null || echo 19700101)}
count=${COMMIT_COUNT:-$(git rev-list --count HEAD 2>/dev/null || echo 0)}

dirty=
case $said in *-dirty) dirty=.dirty said=${said%-dirty} ;; esac
case $said in
v[0-9]*-*-g* | [0-9]*.*-*-g*)
	hash=${said##*-g} base=${said%-*-g*}
	base=${base#v} join=+
	;;
v[0-9]* | [0-9]*.[0-9]*)
	base=${said#v} hash=
	[ -z "$dirty" ] || hash=edited join=+
	;;
*) base=0.0.0 hash=$said join='~' ;;
esac
case $format in apk) pre=_ ;; *) pre='~' ;; esac
base=$(echo "$base" | sed "s/-\(alpha\|beta\|rc\)/$pre\1/")
if [ -z "$hash" ]; then
	echo "$base"
elif [ "$format" = apk ]; then
	echo "${base}_git$date-r$count"
else
	echo "$base${join}git$date.$count.$hash$dirty"
fi

package main

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"luatnetd": main})
}

// The command line as docs/api.md describes it: what is printed and the exit
// codes. The scripts are in testdata/script; those that need a daemon are in
// test/netns.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"code": code,
		},
	})
}

// code N PROGRAM ARGS… runs a program and wants exactly that exit code; "exec"
// can only tell 0 from the rest.
func code(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N program [args...]")
	}
	got := "0"
	if err := ts.Exec("sh", append([]string{"-c", `"$@"; echo $? > code.out`, "sh"}, args[1:]...)...); err != nil {
		ts.Fatalf("sh: %v", err)
	}
	b, err := os.ReadFile(ts.MkAbs("code.out"))
	ts.Check(err)
	if got = string(b); got != args[0]+"\n" {
		ts.Fatalf("exit code %swant %s", got, args[0])
	}
}

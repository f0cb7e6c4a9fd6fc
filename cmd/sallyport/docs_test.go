package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/sallyport-dev/sallyport/internal/cli"
)

var (
	codeText    = regexp.MustCompile("(?s)```([a-z]*)\n(.*?)```|`([^`\n]+)`")
	makeCommand = regexp.MustCompile(`(?m)(?:^|[\s;&])make ([a-z][a-z0-9/]*)`)
	ownCommand  = regexp.MustCompile(`(?m)(?:^\s*|[;&|] *)(?:bin/)?sallyport ([^\n#;&|]*)`)
	makeTarget  = regexp.MustCompile(`(?m)^([a-z0-9/]+):`)
	plainWord   = regexp.MustCompile(`^[a-z][a-z-]*$`)
)

// commandsIn finds the commands that a page tells its reader to run.
func commandsIn(page string) (targets, commands []string) {
	for _, m := range codeText.FindAllStringSubmatch(page, -1) {
		code := m[2] + m[3]
		if m[1] == "yaml" || m[1] == "json" {
			continue
		}
		for _, c := range makeCommand.FindAllStringSubmatch(code, -1) {
			targets = append(targets, c[1])
		}
		for _, c := range ownCommand.FindAllStringSubmatch(code, -1) {
			commands = append(commands, strings.TrimSpace(c[1]))
		}
	}
	return targets, commands
}

// TestDocs_NameOnlyCommandsThatExist holds every page's commands against the
// Makefile and the command line, flags included.
func TestDocs_NameOnlyCommandsThatExist(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..")
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, m := range makeTarget.FindAllStringSubmatch(string(makefile), -1) {
		known[m[1]] = true
	}
	command := cli.New(dependencies())
	found := 0
	for _, pattern := range []string{"*.md", "docs/*.md", "examples/*.md"} {
		pages, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range pages {
			page, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			targets, commands := commandsIn(string(page))
			found += len(targets) + len(commands)
			for _, target := range targets {
				if !known[target] {
					t.Errorf("%s: there is no make %s", file, target)
				}
			}
			for _, line := range commands {
				if problem := unknownIn(command, strings.Fields(line)); problem != "" {
					t.Errorf("%s: sallyport %s: %s", file, line, problem)
				}
			}
		}
	}
	if found < 20 {
		t.Errorf("only %d commands found in the pages; are they still read?", found)
	}
}

// unknownIn walks a command line down the tree and names the first word that
// does not exist. Words in capitals stand for arguments.
func unknownIn(cmd *cobra.Command, words []string) string {
	for _, word := range words {
		flag, isFlag := strings.CutPrefix(word, "--")
		flag, _, _ = strings.Cut(flag, "=")
		switch {
		case isFlag && flag != "help" && cmd.Flags().Lookup(flag) == nil && cmd.InheritedFlags().Lookup(flag) == nil:
			return "no flag --" + flag
		case isFlag || !cmd.HasSubCommands() || !plainWord.MatchString(word):
			continue
		}
		next, _, err := cmd.Find([]string{word})
		if err != nil || next == cmd {
			return "no command " + word
		}
		cmd = next
	}
	return ""
}

func TestUnknownIn_SeesWhatDoesNotExist(t *testing.T) {
	t.Parallel()
	command := cli.New(dependencies())
	for line, want := range map[string]string{
		"events list --route orders": "", "audit --json": "", "deadletters redrive ID": "", "COMMAND --help": "",
		"event list": "no command event", "events lst": "no command lst", "audit --jsn": "no flag --jsn",
	} {
		if got := unknownIn(command, strings.Fields(line)); got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}

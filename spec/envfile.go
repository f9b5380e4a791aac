package spec

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/compose-spec/compose-go/v2/dotenv"
)

// envFormats are the values of env_file.format.
var envFormats = []string{"", "raw"}

// readEnv reads the variables of an env file. lookup are the values its own
// ${NAME} may stand for, beside those the file itself sets further up.
func (l *load) readEnv(abs, format string, lookup variables) (variables, []finding, error) {
	content, err := l.files.read(abs)
	if err != nil {
		return nil, nil, err
	}
	file := l.files.show(abs)
	if !utf8.Valid(content) {
		return nil, []finding{{where: position{file: file}, message: "is not UTF-8 text"}}, nil
	}
	if format == "raw" {
		vars, problems := rawEnv(file, string(content))
		return vars, problems, nil
	}
	vars, problems := expandedEnv(file, content, lookup)
	return vars, problems, nil
}

// expandedEnv reads an env file with quotes, escapes and variables.
func expandedEnv(file string, content []byte, lookup variables) (variables, []finding) {
	vars := map[string]string{}
	missing := map[string]bool{}
	expanded := onlyExpanded(content)
	err := dotenv.ParseWithFormat(bytes.NewReader(content), file, vars, func(name string) (string, bool) {
		if value, ok := lookup[name]; ok {
			return value, true
		}
		if value, ok := vars[name]; ok {
			return value, true
		}
		if bareUse(name).Match(expanded) {
			missing[name] = true
			return "", true
		}
		return "", false
	}, "")
	if err != nil {
		return nil, []finding{envSyntax(file, err)}
	}
	return vars, missingFindings(file, string(expanded), missing)
}

// literal matches what no variable is filled into: values in single quotes,
// comments, and escaped dollar signs.
var literal = regexp.MustCompile(`(?m)[=:][ \t]*'[^']*'|(?:^|[ \t])#.*$|\$\$|\\\$`)

// onlyExpanded blanks what is literal, so that places stay the same.
func onlyExpanded(content []byte) []byte {
	return literal.ReplaceAllFunc(content, func(b []byte) []byte {
		return bytes.Map(func(r rune) rune {
			if r == '\n' {
				return r
			}
			return ' '
		}, b)
	})
}

// bareUse matches a use of a variable that has no default.
func bareUse(name string) *regexp.Regexp {
	q := regexp.QuoteMeta(name)
	return regexp.MustCompile(`(?m)\$` + q + `\b|\$\{` + q + `\}|^[ \t]*(?:export[ \t]+)?` + q + `[ \t]*$`)
}

func missingFindings(file, content string, missing map[string]bool) []finding {
	var out []finding
	for name := range missing {
		at := position{file: file, line: 1}
		if loc := bareUse(name).FindStringIndex(content); loc != nil {
			at.line += strings.Count(content[:loc[0]], "\n")
		}
		out = append(out, finding{
			where:   at,
			message: "the variable " + name + " has no value",
			hint:    "set it further up, or put the value in single quotes to keep its dollar sign",
		})
	}
	return out
}

// envSyntax says where an env file is wrong, never with which words: they may
// be secrets.
func envSyntax(file string, err error) finding {
	at := position{file: file}
	if _, serr := fmt.Sscanf(afterPath(err), "line %d:", &at.line); serr != nil {
		at.line = 0
	}
	return finding{where: at, message: "not a valid line of an env file", hint: "write NAME=value"}
}

// afterPath returns the innermost error's words.
func afterPath(err error) string {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err.Error()
		}
		err = inner
	}
}

// rawEnv reads NAME=value lines without quotes, escapes or variables.
func rawEnv(file, content string) (variables, []finding) {
	out := variables{}
	for i, line := range strings.Split(content, "\n") {
		line = strings.TrimSuffix(line, "\r")
		if trimmed := strings.TrimSpace(line); trimmed == "" || strings.HasPrefix(trimmed, "#") {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if name = strings.TrimSpace(name); !ok || name == "" {
			at := position{file: file, line: i + 1}
			return nil, []finding{{where: at, message: "not a valid line of an env file", hint: "write NAME=value"}}
		}
		out[name] = value
	}
	return out, nil
}

// optionalEnv reads dir/.env if there is one.
func (l *load) optionalEnv(dir string, lookup variables) variables {
	abs := filepath.Join(dir, ".env")
	vars, findings, err := l.readEnv(abs, "", lookup)
	l.report(findings...)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		l.report(finding{where: position{file: l.files.show(abs)}, message: l.refusal(abs, err), hint: hintOf(err)})
	}
	return vars
}

package main

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// format is how a verb prints.
type format string

// Formats.
const (
	formatText format = "text"
	formatJSON format = "json"
)

// flag adds -o to a verb.
func (f *format) flag(c *cobra.Command) {
	*f = formatText
	c.Flags().VarP(f, "output", "o", "text or json")
}

// String, Set and Type make a format a flag's value.
func (f *format) String() string { return string(*f) }

// Set takes text or json.
func (f *format) Set(s string) error {
	switch format(s) {
	case formatText, formatJSON:
		*f = format(s)
		return nil
	}
	return fmt.Errorf("%q is neither text nor json", s)
}

// Type names the kind of value.
func (f *format) Type() string { return "format" }

// print writes text to stdout.
func (p *program) print(text string) error {
	if _, err := io.WriteString(p.Stdout, text); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}

// printJSON writes value, indented, if JSON is wanted.
func (p *program) printJSON(f format, value any) error {
	if f != formatJSON {
		return nil
	}
	data, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	return p.print(string(data) + "\n")
}

// printLine writes value as one line of JSON, for streams.
func (p *program) printLine(value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	return p.print(string(data) + "\n")
}

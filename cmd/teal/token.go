package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"teal/controller/access"
	"teal/controller/api"
)

// tokenShown is what is told of a token. The token itself is there only when it
// was just made.
type tokenShown struct {
	Name     string    `json:"name"`
	Role     api.Role  `json:"role"`
	Created  time.Time `json:"created"`
	Expires  time.Time `json:"expires,omitzero"`
	LastUsed time.Time `json:"last_used,omitzero"`
	Token    string    `json:"token,omitempty"`
}

func (p *program) tokenVerb() *cobra.Command {
	c := &cobra.Command{
		Use:   "token",
		Short: "Make, list and take away tokens for the API over the network",
		Long: `Tokens let a controller be spoken to over the network (teal run --api). They lie
in the state folder, as hashes, so these verbs run on the controller's machine, as
the user who runs it; the controller need not run. A change counts at once.`,
		Args: p.noSuchToken,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(p.tokenCreate(), p.tokenList(), p.tokenRemove())
	return c
}

func (p *program) noSuchToken(_ *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return badInput("teal token create NAME, teal token list, teal token remove NAME", "there is no verb %q of token", args[0])
}

func (p *program) tokenCreate() *cobra.Command {
	var role, expires string
	var output format
	c := &cobra.Command{
		Use:   "create NAME --role viewer|operator",
		Short: "Make a token and show it, this once",
		Long: `Makes a token and prints it on standard output, this once: only its hash is kept.
A viewer reads status, events, history, logs and metrics; an operator may do
everything that can be done over the API.`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			now := time.Now()
			until, err := expiry(expires, now)
			if err != nil {
				return err
			}
			if err := checkToken(args[0], role); err != nil {
				return err
			}
			secret, kept, err := access.In(p.statePath()).Create(args[0], api.Role(role), now, until)
			if errors.Is(err, access.ErrTaken) {
				return badInput("teal token remove "+args[0]+", or take another name", "%v", err)
			}
			if err != nil {
				return err
			}
			if output == formatJSON {
				return p.printJSON(output, shownToken(kept, time.Time{}, secret))
			}
			if _, err := fmt.Fprintf(p.Stderr, "token %s (%s, %s); it is not shown again:\n", kept.Name, kept.Role, expiryWords(kept.Expires)); err != nil {
				return fmt.Errorf("write: %w", err)
			}
			return p.print(secret + "\n")
		},
	}
	c.Flags().StringVar(&role, "role", string(api.RoleViewer), "what it may do: viewer or operator")
	c.Flags().StringVar(&expires, "expires", "", "how long it is good for, 90d or 12h (default: until it is removed)")
	output.flag(c)
	return c
}

func checkToken(name, role string) error {
	if err := access.CheckName(name); err != nil {
		return badInput("teal token create ci --role operator", "%v", err)
	}
	if r := api.Role(role); r != api.RoleViewer && r != api.RoleOperator {
		return badInput("--role viewer, or --role operator", "--role is %q, neither viewer nor operator", role)
	}
	return nil
}

// maxExpiry bounds how far ahead a token may run out.
const maxExpiry = 10 * 365 * 24 * time.Hour

// expiry reads how long a token is good for, in days or as Go writes durations.
func expiry(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	d, err := time.ParseDuration(text)
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, convErr := strconv.Atoi(days)
		if n > int(maxExpiry/(24*time.Hour)) {
			n = -1
		}
		d, err = time.Duration(n)*24*time.Hour, convErr
	}
	if err != nil || d <= 0 || d > maxExpiry {
		return time.Time{}, badInput("--expires 90d", "--expires is %q, not a time from now up to ten years, such as 90d or 12h", text)
	}
	return now.Add(d).UTC().Truncate(time.Second), nil
}

func (p *program) tokenList() *cobra.Command {
	var output format
	c := &cobra.Command{
		Use:   "list",
		Short: "List the tokens; they themselves are not kept",
		Args:  cobra.NoArgs,
		RunE: func(_ *cobra.Command, _ []string) error {
			tokens := access.In(p.statePath())
			all, err := tokens.List()
			if err != nil {
				return err
			}
			uses := tokens.Uses()
			shown := []tokenShown{}
			for _, t := range all {
				used := uses[t.Name]
				if used.Before(t.Created) {
					used = time.Time{} // of another one that had its name
				}
				shown = append(shown, shownToken(t, used, ""))
			}
			if output == formatJSON {
				return p.printJSON(output, shown)
			}
			return p.print(tokenTable(shown, time.Now()))
		},
	}
	output.flag(c)
	return c
}

func (p *program) tokenRemove() *cobra.Command {
	return &cobra.Command{
		Use:   "remove NAME",
		Short: "Take a token away, at once",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			err := access.In(p.statePath()).Remove(args[0])
			if errors.Is(err, access.ErrUnknown) {
				return badInput("teal token list", "%v", err)
			}
			if err != nil {
				return err
			}
			return p.print("✔ token " + args[0] + " is good for nothing any more\n")
		},
	}
}

func shownToken(t access.Token, used time.Time, secret string) tokenShown {
	return tokenShown{Name: t.Name, Role: t.Role, Created: t.Created, Expires: t.Expires, LastUsed: used, Token: secret}
}

func tokenTable(all []tokenShown, now time.Time) string {
	if len(all) == 0 {
		return "there are no tokens; one is made by: teal token create NAME --role viewer|operator\n"
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	line := func(cells ...string) { _, _ = fmt.Fprintln(w, strings.Join(cells, "\t")) } // a Builder takes everything
	line("NAME", "ROLE", "CREATED", "LAST USED", "EXPIRES")
	for _, t := range all {
		used, expires := "never", "never"
		if !t.LastUsed.IsZero() {
			used = t.LastUsed.Local().Format(time.DateTime)
		}
		if !t.Expires.IsZero() {
			expires = t.Expires.Local().Format(time.DateTime)
			if !now.Before(t.Expires) {
				expires += " (ran out)"
			}
		}
		line(t.Name, string(t.Role), t.Created.Local().Format(time.DateTime), used, expires)
	}
	_ = w.Flush() // as above
	return b.String()
}

func expiryWords(t time.Time) string {
	if t.IsZero() {
		return "until it is removed"
	}
	return "until " + t.Local().Format(time.DateTime)
}

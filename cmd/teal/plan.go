package main

import (
	"time"

	"github.com/spf13/cobra"

	"teal/cmd/teal/internal/view"
	"teal/controller/api"
)

func (p *program) planVerb() *cobra.Command {
	var w wish
	var prune bool
	var output format
	c := &cobra.Command{
		Use:   "plan [-f compose.yaml …]",
		Short: "Show what apply would do, and why; nothing is changed",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := p.fill(c.Flags(), &w.config); err != nil {
				return err
			}
			project, err := w.load(c.Context())
			if err != nil {
				return err
			}
			client := p.dial()
			defer client.Close()
			result, err := client.Plan(c.Context(), api.PlanRequest{Project: &project, Prune: prune})
			if err != nil {
				return err
			}
			if output == formatJSON {
				return p.printJSON(output, result)
			}
			return p.print(view.Plan(result, p.options(time.Now())))
		},
	}
	w.flags(c)
	c.Flags().BoolVar(&prune, "prune", false, "as if services that the files do not name were to be removed")
	output.flag(c)
	return c
}

package main

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"teal/controller/api"
)

// release is set by the linker.
var release string

// version returns the release, or the revision that was built.
func version() string {
	if release != "" {
		return release
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	revision, modified := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = "-" + s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			modified = "-modified"
		}
	}
	return "devel" + revision + modified
}

// versions is what version prints as JSON.
type versions struct {
	Client     string       `json:"client"`
	Go         string       `json:"go"`
	Controller *api.Version `json:"controller,omitempty"`
}

func (p *program) versionVerb() *cobra.Command {
	var output format
	c := &cobra.Command{
		Use:   "version",
		Short: "Show the versions of this program, the controller and the engine",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			client := p.dial()
			defer client.Close()
			out := versions{Client: version(), Go: runtime.Version()}
			v, err := client.Version(c.Context())
			switch {
			case err == nil:
				out.Controller = &v
			case !errors.Is(err, api.ErrUnreachable):
				return err
			}
			if output == formatJSON {
				return p.printJSON(output, out)
			}
			text := fmt.Sprintf("teal        %s (%s)\n", out.Client, out.Go)
			if out.Controller == nil {
				return p.print(text + fmt.Sprintf("controller  not reachable at %s\n", p.where()))
			}
			engine := "not reachable"
			if v.Engine != "" {
				engine = v.Engine + ", API " + v.EngineAPI
			}
			return p.print(text + fmt.Sprintf("controller  %s (%s), id %s, API %s\nengine      %s\n", v.Version, v.Go, v.ID, v.API, engine))
		},
	}
	output.flag(c)
	return c
}

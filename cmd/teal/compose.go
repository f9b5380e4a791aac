package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"teal/cmd/teal/internal/config"
	"teal/controller/schedule"
	"teal/controller/secret"
	"teal/spec"
)

// wish are the flags that say where a desired state is read from.
type wish struct {
	config    string
	files     []string
	project   string
	profiles  []string
	variables []string
	ages      []string // files with age identities
	policy    spec.Policy
}

// flags adds the flags of w to a verb.
func (w *wish) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVarP(&w.config, "config", "c", "", "file with settings (TEAL_CONFIG); a flag wins over the environment, that over the file")
	f.StringSliceVarP(&w.files, "file", "f", nil, "Compose `file`, later ones are merged over earlier ones (default: compose.yaml here)")
	f.StringVar(&w.project, "project", "", "`name` of the project instead of the file's own")
	f.StringSliceVar(&w.profiles, "profiles", nil, "active Compose profiles")
	f.StringArrayVar(&w.variables, "variables", nil, "`KEY=VALUE` for ${KEY} in the file, beside those in .env")
	f.StringSliceVar(&w.ages, "age-identity", nil, "`files` with age identities, for files that are encrypted with age or SOPS")
	f.StringSliceVar(&w.policy.AllowOutside, "allow-outside", nil, "further `folders` that env files and included files may be read from")
	f.StringSliceVar(&w.policy.AllowBinds, "allow-binds", nil, "host `paths` that may be bind-mounted, with all below")
	f.BoolVar(&w.policy.AllowEngineSocket, "allow-engine-socket", false, "let a bind mount hold the engine's socket, and with it the whole host")
	f.StringSliceVar(&w.policy.AllowCapabilities, "allow-capabilities", nil, "capabilities that cap_add may name beside the harmless ones")
	f.StringSliceVar(&w.policy.AllowSecurityOpts, "allow-security-opts", nil, "values of security_opt that may be used")
	f.StringSliceVar(&w.policy.AllowDrivers, "allow-drivers", nil, "drivers of networks and volumes beside bridge and local")
	mustMark(config.MarkPairs(f, "variables"))
	for _, name := range []string{"file", "age-identity", "allow-outside", "allow-binds"} {
		mustMark(config.MarkPath(f, name))
	}
}

// mustMark panics when a flag is marked that was not declared above.
func mustMark(err error) {
	if err != nil {
		panic(err)
	}
}

// fill takes what no flag said from the environment and the file. The file is
// the controller's: it may hold settings that this verb does not have.
func (p *program) fill(flags *pflag.FlagSet, file *string) error {
	if *file == "" {
		*file = p.env("TEAL_CONFIG")
	}
	all := &cobra.Command{}
	new(settings).flags(all)
	new(program).places(all.Flags())
	err := config.Fill(flags, all.Flags(), p.env, *file, notInFile...)
	if problems, ok := errors.AsType[config.Problems](err); ok {
		f := badInput("", "the settings are not right")
		for _, x := range problems {
			f.details = append(f.details, x.Error())
		}
		return f
	}
	return err
}

// load reads the desired state, or tells every problem it has.
func (w *wish) load(ctx context.Context) (spec.Project, error) {
	opts, err := w.options()
	if err != nil {
		return spec.Project{}, err
	}
	for _, f := range opts.Files {
		if _, err := os.Stat(f); err != nil {
			return spec.Project{}, badInput("", "read Compose file: %v", err)
		}
	}
	project, err := spec.Load(ctx, opts)
	if err != nil {
		return spec.Project{}, refusedFile(err)
	}
	return *project, nil
}

// options are those of the loader.
func (w *wish) options() (spec.Options, error) {
	opts := spec.Options{
		ProjectName: w.project, Profiles: w.profiles, Policy: w.policy,
		Interpolation: map[string]string{},
	}
	opts.Policy.CheckRange = schedule.Check
	for _, kv := range w.variables {
		k, v, ok := strings.Cut(kv, "=")
		if !ok || k == "" {
			return opts, badInput("--variables KEY=VALUE", "%q does not say KEY=VALUE", kv)
		}
		opts.Interpolation[k] = v
	}
	keys, err := w.keys()
	if err != nil {
		return opts, err
	}
	opts.Decrypt, opts.Keys = keys.Decrypt, keys.Files()
	opts.Files = slices.Clone(w.files)
	for i, f := range opts.Files {
		abs, err := filepath.Abs(f)
		if err != nil {
			return opts, fmt.Errorf("find file %s: %w", f, err)
		}
		opts.Files[i] = abs
	}
	if len(opts.Files) > 0 {
		return opts, nil
	}
	if opts.Dir, err = os.Getwd(); err != nil {
		return opts, fmt.Errorf("find the current folder: %w", err)
	}
	return opts, nil
}

// keys are those of encrypted files.
func (w *wish) keys() (*secret.Keys, error) {
	files := make([]string, len(w.ages))
	for i, f := range w.ages {
		abs, err := filepath.Abs(f)
		if err != nil {
			return nil, fmt.Errorf("find file %s: %w", f, err)
		}
		files[i] = abs
	}
	keys, err := secret.New(secret.Options{Identities: files})
	if refused, ok := errors.AsType[*spec.DecryptError](err); ok {
		return nil, badInput(refused.Hint, "--age-identity: %s", strings.TrimPrefix(refused.Message, "needs the identities in "))
	}
	return keys, err
}

// refusedFile tells every problem of a desired state.
func refusedFile(err error) error {
	var problems spec.Errors
	if !errors.As(err, &problems) {
		return err
	}
	f := badInput("nothing was changed; the reference of all keys is in docs", "the desired state was refused")
	if len(problems) > 1 {
		f.message = fmt.Sprintf("the desired state was refused: %d problems", len(problems))
	}
	for _, x := range problems {
		f.details = append(f.details, x.Error())
	}
	return f
}

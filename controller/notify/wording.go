package notify

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"text/template"
	"time"

	"teal/reconcile"
	"teal/spec"
)

// What is said when nothing else is asked for.
const (
	defaultSubject = `{{.Severity}}: {{with .App}}{{.}} {{end}}{{.Reason}}`
	defaultText    = `{{if .Warning}}⚠ {{end}}{{with .App}}{{.}} {{end}}{{.Reason}}: {{.Message}}`
)

// Longest template, and longest text made from one, in bytes.
const (
	maxTemplate = 64 << 10
	maxText     = 16 << 10
	maxTitle    = 200
)

// slowTemplate is how long a template may take for the event it is tried with.
const slowTemplate = 2 * time.Second

// Data is what a template is given.
type Data struct {
	Controller string           // id of the controller
	Number     uint64           // of the event
	At         time.Time        // in UTC
	App        string           // project/service, empty: of none
	Project    string           // of the app
	Service    string           // of the app
	Reason     reconcile.Reason // as in teal events
	Message    string
	Warning    bool
	Severity   string      // info or warning
	Rollout    string      // id, empty: of none
	Origin     spec.Origin // where the app's desired state is from
}

// wording makes messages of events.
type wording struct{ subject, text *template.Template }

func parseWording(f field) (w wording, err error) {
	subject, text := f("subject"), f("template")
	if file := f("template_file"); file != "" {
		if text != "" {
			return w, errors.New("template and template_file are both given")
		}
		if text, err = readTemplate(file); err != nil {
			return w, inField("template_file", err)
		}
	}
	if w.subject, err = parseTemplate("subject", subject, defaultSubject); err != nil {
		return w, err
	}
	if w.text, err = parseTemplate("template", text, defaultText); err != nil {
		return w, err
	}
	return w, w.try(slowTemplate)
}

func readTemplate(file string) (string, error) {
	info, err := os.Stat(file)
	if err != nil {
		return "", err
	}
	if info.Size() > maxTemplate || !info.Mode().IsRegular() {
		return "", fmt.Errorf("%s is not a file of at most %d bytes", file, maxTemplate)
	}
	data, err := os.ReadFile(file)
	return string(data), err
}

var functions = template.FuncMap{
	"upper": strings.ToUpper,
	"lower": strings.ToLower,
	"short": func(s string) string { return s[:min(len(s), 8)] },
	"cut":   func(n int, s string) string { return cut(s, max(n, 0)) },
}

func parseTemplate(name, text, standard string) (*template.Template, error) {
	if text == "" {
		text = standard
	}
	if len(text) > maxTemplate {
		return nil, fmt.Errorf("%s: it is longer than %d bytes", name, maxTemplate)
	}
	return template.New(name).Option("missingkey=error").Funcs(functions).Parse(text)
}

// try runs the templates once, so that what is wrong with them is found at the
// start and not when something happened.
func (w wording) try(most time.Duration) error {
	sample := numbered{Number: 1, Event: reconcile.Event{
		At: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), App: spec.Name{Project: "shop", Service: "web"}, Warning: true,
		Reason: reconcile.ReasonRolledBack, Message: "shop/web:1.5 is held", Rollout: "r-1",
	}}
	failed := make(chan error, 1)
	go func() {
		_, err := w.message("teal", sample, spec.Origin{Commit: "0123456789abcdef"})
		failed <- err
	}()
	limit := time.NewTimer(most)
	defer limit.Stop()
	select {
	case err := <-failed:
		return err
	case <-limit.C:
		return fmt.Errorf("template: it does not end within %s", most)
	}
}

// message says an event in the target's words.
func (w wording) message(controller string, e numbered, from spec.Origin) (message, error) {
	data := Data{
		Controller: controller, Number: e.Number, At: e.At.UTC(), App: appOf(e.Event), Project: e.App.Project, Service: e.App.Service,
		Reason: e.Reason, Message: e.Message, Warning: e.Warning, Severity: severity(e.Warning), Rollout: e.Rollout, Origin: from,
	}
	title, err := execute(w.subject, data)
	if err != nil {
		return message{}, err
	}
	text, err := execute(w.text, data)
	if err != nil {
		return message{}, err
	}
	event := e.Event
	return message{
		ID: fmt.Sprintf("%s-%d", controller, e.Number), Controller: controller, At: e.At, Severity: data.Severity,
		Title: cut(line(title), maxTitle), Text: text, Number: e.Number, Event: &event,
	}, nil
}

func execute(t *template.Template, data Data) (string, error) {
	var b bounded
	if err := t.Execute(&b, data); err != nil && !errors.Is(err, errTooLong) {
		return "", err
	}
	if b.full {
		return strings.ToValidUTF8(b.String(), "") + "…", nil
	}
	return b.String(), nil
}

// errTooLong ends a template that writes too much; what it wrote is sent.
var errTooLong = errors.New("the text is too long")

// bounded is a builder that takes only so much.
type bounded struct {
	strings.Builder
	full bool
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > maxText {
		b.full = true
		b.Builder.Write(p[:max(0, maxText-b.Len())])
		return 0, errTooLong
	}
	return b.Builder.Write(p)
}

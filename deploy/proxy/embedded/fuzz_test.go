package embedded

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"teal/deploy/proxy/internal/table"
	"teal/reconcile"
)

// FuzzTableFile: whatever stands in the table's file, reading it ends, does not
// panic, and what is taken can be served and is written the same again.
func FuzzTableFile(f *testing.F) {
	good, err := encodeTable(numbered(3))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good, false)
	f.Add(good[:len(good)/2], false)
	for _, text := range []string{
		"", "null", "{}", "[]", `{"seq":1,"routes":[{}]}`, `{"seq":18446744073709551615,"routes":null}`, `{"seq":-1}`, `{"seq":1,"routes":[null]}`,
		`{"seq":1,"routes":[{"app":{"project":"p","service":"s"},"host":"*","path":"/","backends":[{"colour":"blue","revision":"r","weight":100,"targets":["[::1%25x]:1"]}]}]}`,
		strings.Repeat("[", 20000),
	} {
		f.Add([]byte(text), true)
	}
	f.Fuzz(func(t *testing.T, data []byte, wrapped bool) {
		if wrapped { // past the checksum
			text, err := json.Marshal(shelved{Version: shelfVersion, Sum: checksum(data), Table: data})
			if err != nil {
				return
			}
			data = text
		}
		got, err := decodeTable(data)
		if err != nil {
			return
		}
		if err := table.Check(got); err != nil {
			t.Fatalf("taken, and not good: %v", err)
		}
		p := newProxy(Config{Logger: slog.New(slog.DiscardHandler)})
		p.serve(got)
		for i := range got.Routes {
			p.serving.Load().match(got.Routes[i].Host, got.Routes[i].Path)
		}
		again, err := encodeTable(got)
		if err != nil {
			t.Fatal(err)
		}
		if read, err := decodeTable(again); err != nil || !reflect.DeepEqual(read.Seq, got.Seq) || !sameRoutes(read, got) {
			t.Fatalf("written again it is %+v, %v", read, err)
		}
	})
}

// FuzzControl: whatever is sent to the control socket is a table, or refused; the
// table that is served is never lost by it.
func FuzzControl(f *testing.F) {
	for _, table := range []reconcile.Table{numbered(2), {Seq: 2}, {}} {
		text, err := json.Marshal(table)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(http.MethodPut, text)
	}
	f.Add(http.MethodPut, []byte(`{"seq":2,"routes":[{"app":{}}]} {}`))
	f.Add(http.MethodPut, []byte(strings.Repeat(`{"routes":[`, 5000)))
	f.Add(http.MethodGet, []byte("x"))
	f.Fuzz(func(t *testing.T, method string, body []byte) {
		if method != http.MethodPut && method != http.MethodGet {
			return
		}
		p := newProxy(Config{Logger: slog.New(slog.DiscardHandler)})
		c, err := openControl(p, filepath.Join(t.TempDir(), "state"), slog.New(slog.DiscardHandler))
		must(t, err)
		must(t, c.apply(numbered(1)))
		w := httptest.NewRecorder()
		r := httptest.NewRequest(method, tablePath, strings.NewReader(string(body)))
		if method == http.MethodPut {
			c.putTable(w, r)
		} else {
			c.getSnapshot(w, r)
		}
		served := p.serving.Load().table
		if w.Code >= 500 || w.Code >= 300 && served.Seq != 1 || table.Check(served) != nil {
			t.Fatalf("status %d, %s; now table %d is served", w.Code, w.Body, served.Seq)
		}
		if kept := c.shelf.load(); kept.fault != nil || kept.table.Seq != served.Seq {
			t.Fatalf("kept is table %d, %v; served %d", kept.table.Seq, kept.fault, served.Seq)
		}
	})
}

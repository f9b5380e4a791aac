package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
)

// decode reads the request's body as exactly one JSON value into out.
func decode(r *http.Request, w http.ResponseWriter, out any) error {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return invalid("the request's Content-Type is not application/json")
	}
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, MaxBody))
	d.DisallowUnknownFields()
	if err := d.Decode(out); err != nil {
		return badBody(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return invalid("the request's body holds more than one JSON value")
	}
	return nil
}

func badBody(err error) error {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return &Error{Reason: ReasonTooLarge, Message: "the request's body is over 8 MiB"}
	}
	e := invalid("the request's body is not what this API takes")
	e.Details = []string{strings.TrimPrefix(err.Error(), "json: ")}
	e.Hint = "compare the versions of client and controller: teal version"
	return e
}

func invalid(message string) *Error {
	return &Error{Reason: ReasonInvalid, Message: message}
}

// write sends body as JSON. A client that went away meanwhile is not a fault.
func (h *handler) write(w http.ResponseWriter, r *http.Request, status int, body any) {
	data, err := json.Marshal(body)
	if err != nil {
		h.Logger.Error("answer could not be encoded", "path", r.URL.Path, "error", err)
		http.Error(w, `{"error":"the answer could not be encoded","reason":"Internal"}`, http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if _, err := w.Write(append(data, '\n')); err != nil {
		h.Logger.Debug("client went away", "path", r.URL.Path, "error", err)
	}
}

// fail sends err as an [Error].
func (h *handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	e := refusal(err)
	if e.Reason == ReasonInternal {
		h.Logger.Error("request failed", "method", r.Method, "path", r.URL.Path, "error", err)
	}
	h.write(w, r, e.Status(), e)
}

// refusal turns any error into one for people.
func refusal(err error) *Error {
	var e *Error
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(err, context.DeadlineExceeded):
		return &Error{Reason: ReasonTimeout, Message: "the controller took too long to answer", Hint: "teal status"}
	case errors.Is(err, context.Canceled):
		return &Error{Reason: ReasonUnavailable, Message: "the controller is stopping"}
	}
	return &Error{
		Reason:  ReasonInternal,
		Message: "the controller met an error",
		Hint:    "its log says more; teal doctor looks at what it needs",
		Details: []string{err.Error()},
	}
}

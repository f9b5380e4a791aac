package spec

import "time"

// Origin is the commit that a desired state was read from. It is for people and
// for reports: it is no part of any fingerprint or revision.
type Origin struct {
	Source     string    `json:"source"`           // name of the source, as configured
	Repository string    `json:"repository"`       // URL, without credentials
	Ref        string    `json:"ref"`              // branch or tag that was followed
	Commit     string    `json:"commit"`           // full hash, in hex
	Author     string    `json:"author,omitempty"` // name, without the address
	Subject    string    `json:"subject,omitempty"`
	Signer     string    `json:"signer,omitempty"` // whose key signed it; empty: not checked
	Committed  time.Time `json:"committed"`
}

// Short is the commit as people write it.
func (o Origin) Short() string { return o.Commit[:min(len(o.Commit), 8)] }

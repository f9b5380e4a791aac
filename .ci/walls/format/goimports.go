package format

import (
	"fmt"

	"github.com/spf13/cobra" // want goimports
	"teal/spec/leaf"
)

// Print prints.
func Print() { fmt.Println(leaf.Name, cobra.Command{}.Use) }

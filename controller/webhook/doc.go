// Package webhook listens to the calls of git servers that say "something was
// pushed". It promises that such a call is a hint and no more: nothing of its
// content is used but the name of the ref, to leave out what is not followed. A
// call that was not signed with the source's secret has no effect and learns
// nothing, not even whether there is such a source; one that was seen before has
// none either.
package webhook

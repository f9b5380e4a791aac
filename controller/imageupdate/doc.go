// Package imageupdate looks at registries for newer images of the apps whose
// desired state asks for them with an image policy, and has them rolled out.
//
// It promises:
//
//   - What is chosen is pinned by its digest: what was looked at is what runs.
//   - An image that was rolled out and failed is not chosen again.
//   - Apps of one repository share its list of tags, and a registry that fails or
//     asks to be left alone is; one event says so.
//   - It holds nobody up: a registry that hangs is cut at a limit.
package imageupdate

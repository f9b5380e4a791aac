// Package notify tells people and programs what happened: it reads the events
// that the store keeps and sends those that a target asked for, to webhooks,
// Slack-compatible ones, by e-mail, and to the services of a library.
//
// It promises:
//
//   - A target is told of every event it asked for at least once, in order, over
//     restarts and kills; of some twice, with the same id. The queue is the store
//     itself, which keeps the newest 5,000 events; what a target lost by that, it
//     is told as a number.
//   - No target delays the controller or another target.
//   - A target gets at most so many messages as its limit says; what is beyond
//     that is summed up in one message.
//   - A target that fails is told of once, by an event that is not sent to it, and
//     is tried again with growing pauses, or when it asked for.
//   - Addresses, which are secrets for most services, are in no log, event or
//     error.
package notify

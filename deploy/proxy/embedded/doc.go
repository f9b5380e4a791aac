// Package embedded is Teal's own proxy, and the driver that tells it what to
// serve.
//
// It promises:
//
//   - One table serves at a time. Apply makes it durable, then swaps it in
//     memory; a request that starts after Apply returned follows the new table,
//     and one that started before is counted in the snapshot until it has
//     ended. So a colour whose weight is 0 and that has nothing in flight will
//     see no further request.
//   - No connection is dropped by a switch, neither a client's nor one to a
//     target that stays.
//   - A request is sent again only where nothing of it can have been acted upon:
//     no connection was made, or not one byte of it was accepted for sending, or
//     it is a safe one without a body whose kept connection died without an
//     answer. Requests of other methods use a kept connection only within a
//     second of its last use and after looking whether it is still open, because
//     servers close idle connections after a few seconds (see conn.go).
//   - A response that breaks midway breaks the client's connection too; it never
//     looks complete.
//   - A damaged table is reported and never served as an empty one.
//
// Each answer counts as the app's failure when it is 5xx or breaks; a client that
// goes away does not. Route.Timeout is not applied to gRPC, whose requests have
// no end to count from.
//
// What remains: a target that dies between accepting a request's bytes and
// answering costs that request a 502, unless it is a safe one on a kept
// connection. Nobody can know whether it was acted upon.
package embedded

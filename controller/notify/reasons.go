package notify

import "teal/reconcile"

// Reasons of this package's events.
const (
	ReasonNotifyFailed reconcile.Reason = "NotifyFailed" // a target does not take what it is told
	ReasonNotifyBack   reconcile.Reason = "NotifyBack"   // it does again
)

// reasons are all that events have, for telling a slip of the pen from a wish. A
// test compares them with the code.
var reasons = []reconcile.Reason{
	"ImageNotFound", "ImageDenied", "ImageInvalid", "RegistryUnavailable", "EngineUnavailable", "EngineRefused",
	"HostAway", "NameTaken", "PortTaken", "AddressTaken", "DiskFull", "DiskLow", "ProxyUnavailable", "ProxyRefused",
	"Unhealthy", "CrashLoop", "Exited", "TestFailed", "TestPassed", "BakeFailed", "GateTimeout", "Aborted",
	"PinnedAway", "Undone", "SwitchFailed", "StartTimeout", "RouteDrift", "WaitingForDependency", "Held", "Pinned",
	"AwaitingPromotion", "Overridden", "NotReady", "NothingRuns", "Orphaned", "Superseded", "RolloutStarted",
	"Verified", "Switched", "Promoted", "RolledBack", "Withdrawn", "StandbyEnded", "Removed", "Degraded", "Adopted",
	"ClockSet", "RecordsRebuilt", "RecordsRestored", "SpecInvalid", "Accepted", "HostBack", "Defect",
	"SourceUnreachable", "CredentialsRefused", "HostKeyRefused", "RepositoryMissing", "RefMissing", "HistoryRewritten",
	"NothingMatches", "Untrusted", "SourceFailed", "SourceBack",
	"RecordsUnwritable", "ImagesRemoved", "NotifyFailed", "NotifyBack",
	"SourceUnreachable", "CredentialsRefused", "HostKeyRefused", "RepositoryMissing", "RefMissing", "HistoryRewritten",
	"NothingMatches", "Untrusted", "SourceFailed", "SourceBack", "StatusFailed", "StatusBack", "ImageUpdatesFailed", "ImageUpdatesBack", "OutsideWindow", "Frozen",
}

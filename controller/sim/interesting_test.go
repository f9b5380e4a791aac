package sim

// interesting is what must happen in the seeds of an ordinary test run.
var interesting = []string{}

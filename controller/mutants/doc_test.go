// Package mutants breaks Teal on purpose, one rule at a time, and wants a test to
// notice each time: a rule that can be broken unnoticed is not tested.
//
//	go test ./controller/mutants                     those of the model, and a third of the others
//	go test ./controller/mutants -mutants.all        all of them, each by the quickest test that notices
//	go test ./controller/mutants -mutants.all -run 'TestMutants/62:'
package mutants

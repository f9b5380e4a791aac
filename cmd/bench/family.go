package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// family is a process and its children: nginx does its work in workers.
func family(pid int) ([]int, error) {
	out := []int{pid}
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		return nil, fmt.Errorf("list the children of process %d: %w", pid, err)
	}
	for _, name := range tasks {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("list the children of process %d: %w", pid, err)
		}
		for field := range bytes.FieldsSeq(text) {
			child, err := strconv.Atoi(string(field))
			if err != nil {
				return nil, fmt.Errorf("list the children of process %d: %w", pid, err)
			}
			out = append(out, child)
		}
	}
	return out, nil
}

// cpuOf is the CPU time that processes have taken together.
func cpuOf(pids []int) (time.Duration, error) {
	var sum time.Duration
	for _, pid := range pids {
		took, err := cpuTime(pid)
		if err != nil {
			return 0, err
		}
		sum += took
	}
	return sum, nil
}

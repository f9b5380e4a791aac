package fleet

import (
	"maps"
	"slices"

	"teal/reconcile"
	"teal/spec"
)

// inventory is what a host had of one app when it was last seen.
type inventory struct {
	generation int64
	noted      int // when there was the last sign that there is something
	containers []reconcile.Container
	test       *reconcile.Container
}

// has reports whether the host had something of an app when it was last seen.
func (m *member) has(app spec.Name) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.apps[app] != nil
}

// mayHave reports whether the host answers and was not yet asked for all that it
// has, since Teal started.
func (m *member) mayHave() bool {
	_, is := m.absent()
	m.mu.Lock()
	defer m.mu.Unlock()
	return !is && !m.listed
}

// note says that there is something of an app.
func (m *member) note(app spec.Name) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.notes++
	m.of(app).noted = m.notes
}

// of returns what is known of an app. The caller holds the lock.
func (m *member) of(app spec.Name) *inventory {
	if m.apps[app] == nil {
		m.apps[app] = &inventory{}
	}
	return m.apps[app]
}

// mark is the moment at which a look begins: what is noted later, it may have
// missed.
func (m *member) mark() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.notes
}

// remember keeps what an observation showed that was begun at mark.
func (m *member) remember(app spec.Name, seen reconcile.Seen, mark int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(seen.Containers) == 0 && seen.Test == nil && m.of(app).noted <= mark {
		delete(m.apps, app)
		return
	}
	i := m.of(app)
	i.containers, i.test = slices.Clone(seen.Containers), seen.Test
	for _, c := range seen.Containers {
		i.generation = max(i.generation, c.Generation)
	}
}

// remembered is what was last seen of an app, marked as lost.
func (m *member) remembered(app spec.Name) reconcile.Seen {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.waiting[app] = true
	var out reconcile.Seen
	i := m.apps[app]
	if i == nil {
		return out
	}
	for _, c := range i.containers {
		c.Lost = true
		out.Containers = append(out.Containers, c)
	}
	if i.test != nil {
		lost := *i.test
		lost.Lost = true
		out.Test = &lost
	}
	return out
}

// refresh makes listed, with generations, all that is on the host, as of mark.
func (m *member) refresh(listed map[spec.Name]int64, mark int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for app, i := range m.apps {
		// Adopted containers are not in the list, and tests are not apps.
		if _, still := listed[app]; !still && i.noted <= mark && !i.beside() {
			delete(m.apps, app)
			m.waiting[app] = true
		}
	}
	m.listed = true
	for app, generation := range listed {
		m.of(app).generation = generation
	}
}

// concerned are the apps for which it matters that the host answers again: those
// on it, and those that were told that it does not.
func (m *member) concerned() []spec.Name {
	m.mu.Lock()
	defer m.mu.Unlock()
	for app := range m.apps {
		m.waiting[app] = true
	}
	out := slices.Collect(maps.Keys(m.waiting))
	clear(m.waiting)
	return out
}

// beside reports whether there is something that no list of apps has.
func (i *inventory) beside() bool {
	if i.test != nil {
		return true
	}
	for _, c := range i.containers {
		if c.Foreign {
			return true
		}
	}
	return false
}

// holds reports whether a container was last seen on the host.
func (m *member) holds(id string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, i := range m.apps {
		if i.test != nil && i.test.ID == id {
			return true
		}
		for _, c := range i.containers {
			if c.ID == id {
				return true
			}
		}
	}
	return false
}

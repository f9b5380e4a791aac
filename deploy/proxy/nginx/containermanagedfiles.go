package nginx

import "context"

// The files of a managed container that are in a folder of this host are
// changed there; the others like those of any container.

func (m *managed) Write(ctx context.Context, files ...File) error {
	if m.files != nil {
		return m.files.Write(ctx, files...)
	}
	return m.container.Write(ctx, files...)
}

func (m *managed) Rename(ctx context.Context, from, to string) error {
	if m.files != nil {
		return m.files.Rename(ctx, from, to)
	}
	return m.container.Rename(ctx, from, to)
}

func (m *managed) Link(ctx context.Context, target, name string) error {
	if m.files != nil {
		return m.files.Link(ctx, target, name)
	}
	return m.container.Link(ctx, target, name)
}

func (m *managed) relink(ctx context.Context, target, name string) error {
	if m.files != nil {
		return relink(ctx, m.files, target, name)
	}
	return m.container.relink(ctx, target, name)
}

func (m *managed) Read(ctx context.Context, name string) ([]byte, error) {
	if m.files != nil {
		return m.files.Read(ctx, name)
	}
	return m.container.Read(ctx, name)
}

func (m *managed) Remove(ctx context.Context, names ...string) error {
	if m.files != nil {
		return m.files.Remove(ctx, names...)
	}
	return m.container.Remove(ctx, names...)
}

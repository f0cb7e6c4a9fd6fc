package bus

import (
	"context"
	"errors"
	"fmt"

	"zombiezen.com/go/sqlite"
)

// Backup writes the bus, retained events and positions included, to a new file at
// path, from which [Bus.Restore] reads it back.
func (b *Bus) Backup(ctx context.Context, path string) (err error) {
	b.appending.Lock()
	defer b.appending.Unlock()
	f, err := openFile(ctx, path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.close()) }()
	entries := b.movedEntries(false)
	if err := f.replaceEvents(entries); err != nil {
		return fmt.Errorf("copy events: %w", err)
	}
	events := make(map[Position]bool, len(entries))
	for _, e := range entries {
		events[e.event.Position] = true
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.copyRest(f, events)
}

// copyRest writes what is on the bus besides the events, whose positions are given.
func (b *Bus) copyRest(f *file, events map[Position]bool) error {
	for _, m := range b.issued {
		if events[m.position] {
			continue
		}
		if err := f.saveMark(m); err != nil {
			return err
		}
	}
	for id, text := range b.schemas {
		if err := f.exec("INSERT OR IGNORE INTO schema VALUES (?, ?)", id, text); err != nil {
			return fmt.Errorf("write schema: %w", err)
		}
	}
	for _, m := range b.managed {
		if err := f.saveManaged(m); err != nil {
			return err
		}
	}
	return b.copyDeclared(f)
}

func (b *Bus) copyDeclared(f *file) error {
	var problems []error
	for id, v := range b.declared.pushTopics {
		problems = append(problems, f.saveDeclared(kindPushTopic, id, v.PushTopic))
	}
	for id, v := range b.declared.generic {
		problems = append(problems, f.saveDeclared(kindGeneric, id, v))
	}
	for id, v := range b.declared.channels {
		problems = append(problems, f.saveDeclared(kindChannel, id, v))
	}
	for id, v := range b.declared.members {
		problems = append(problems, f.saveDeclared(kindMember, id, v))
	}
	return errors.Join(problems...)
}

// Restore makes the bus what a file of [Bus.Backup] says. The file is written to.
//
// Positions handed out since the backup are refused from now on, and no later
// event gets one of them: a subscriber that resumes from one hears that it is
// gone, and one that is connected goes on with what is published next.
func (b *Bus) Restore(ctx context.Context, path string) (err error) {
	cfg := b.cfg
	cfg.Path = path
	old, err := Open(ctx, cfg)
	if err != nil {
		return fmt.Errorf("restore events: %w", err)
	}
	defer func() { err = errors.Join(err, old.Close()) }()
	b.appending.Lock()
	defer b.appending.Unlock()
	if b.file != nil {
		if err := copyFile(b.file.conn, old.file.conn); err != nil {
			return err
		}
	}
	b.mu.Lock()
	tip := max(b.tip, old.tip)
	for name, log := range b.topics {
		if back, ok := old.topics[name]; ok {
			back.watchers = log.watchers
		}
		log.notify()
	}
	b.topics, b.order, b.schemas, b.issued = old.topics, old.order, old.schemas, old.issued
	b.managed, b.declared, b.routed = old.managed, old.declared, old.routed
	b.mu.Unlock()
	return b.issueLocked(next(tip))
}

func copyFile(to, from *sqlite.Conn) error {
	backup, err := sqlite.NewBackup(to, "main", from, "main")
	if err != nil {
		return fmt.Errorf("copy event file: %w", err)
	}
	_, err = backup.Step(-1)
	if err = errors.Join(err, backup.Close()); err != nil {
		return fmt.Errorf("copy event file: %w", err)
	}
	return nil
}

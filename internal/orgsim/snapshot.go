package orgsim

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"time"
)

const (
	rowsFile     = "org.db"
	describeFile = "snapshot.json"
	// snapshotsFolder holds the snapshots that were given a name, in a data directory.
	snapshotsFolder = "snapshots"
	maxDescribe     = 64 << 10
)

// SnapshotInfo describes a snapshot.
type SnapshotInfo struct {
	OrgID string    `json:"orgId"`
	At    time.Time `json:"at"` // on the org's clock
}

// Snapshot writes the org's rows and events, in one state, as a tar file. Sessions,
// Bulk jobs, faults and the clock are not in it.
func (o *Org) Snapshot(ctx context.Context, w io.Writer) error {
	dir, err := os.MkdirTemp("", "orgsim-snapshot-")
	if err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	defer os.RemoveAll(dir)
	events := func() error { return o.bus.Backup(ctx, filepath.Join(dir, busFile)) }
	if err := o.records.Backup(ctx, filepath.Join(dir, rowsFile), events); err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	text, err := json.Marshal(SnapshotInfo{OrgID: string(o.cfg.OrgID), At: o.cfg.Clock.Now().UTC()})
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, describeFile), text, 0o600)
	}
	if err == nil {
		err = packFiles(w, dir)
	}
	if err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	return nil
}

func snapshotFiles() []string { return []string{describeFile, rowsFile, busFile} }

func packFiles(w io.Writer, dir string) error {
	archive := tar.NewWriter(w)
	for _, name := range snapshotFiles() {
		if err := packFile(archive, filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return archive.Close()
}

func packFile(archive *tar.Writer, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	about, err := f.Stat()
	if err != nil {
		return err
	}
	if err := archive.WriteHeader(&tar.Header{Name: filepath.Base(path), Mode: 0o600, Size: about.Size(), ModTime: about.ModTime()}); err != nil {
		return err
	}
	_, err = io.Copy(archive, f)
	return err
}

// Restore makes the org's rows and events those of a snapshot of the same org, and
// cuts every stream: a subscriber that comes back with a position of after the
// snapshot hears that it is gone. Who is logged in stays logged in.
func (o *Org) Restore(ctx context.Context, r io.Reader) (SnapshotInfo, error) {
	dir, err := os.MkdirTemp("", "orgsim-restore-")
	if err != nil {
		return SnapshotInfo{}, fmt.Errorf("restore: %w", err)
	}
	defer os.RemoveAll(dir)
	info, err := o.unpack(dir, r)
	if err != nil {
		return info, fmt.Errorf("restore: %w", err)
	}
	events := func() error { return o.bus.Restore(ctx, filepath.Join(dir, busFile)) }
	if err := o.records.Restore(ctx, filepath.Join(dir, rowsFile), events); err != nil {
		return info, fmt.Errorf("restore: %w", err)
	}
	o.ResetStreams()
	return info, nil
}

// unpack takes the three files of a snapshot out of an archive, and nothing else.
func (o *Org) unpack(dir string, r io.Reader) (SnapshotInfo, error) {
	var info SnapshotInfo
	archive := tar.NewReader(r)
	for _, name := range snapshotFiles() {
		head, err := archive.Next()
		if err != nil || head.Name != name {
			return info, fmt.Errorf("not a snapshot: %s is missing", name)
		}
		if name == describeFile {
			if err := json.NewDecoder(io.LimitReader(archive, maxDescribe)).Decode(&info); err != nil {
				return info, fmt.Errorf("not a snapshot: %w", err)
			}
			if info.OrgID != string(o.cfg.OrgID) {
				return info, fmt.Errorf("the snapshot is of org %q, this is %s", info.OrgID, o.cfg.OrgID)
			}
			continue
		}
		if err := unpackFile(filepath.Join(dir, name), archive); err != nil {
			return info, err
		}
	}
	return info, nil
}

func unpackFile(path string, r io.Reader) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Close())
}

// snapshotName keeps names inside the folder.
var snapshotName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)

// snapshotPath is where a named snapshot is kept: in the data directory, or in a
// temporary folder that goes with the org.
func (o *Org) snapshotPath(name string) (string, error) {
	if !snapshotName.MatchString(name) {
		return "", fmt.Errorf("snapshot name %q: want letters, digits, dots, dashes and underscores", name)
	}
	o.snapshotsMu.Lock()
	defer o.snapshotsMu.Unlock()
	if o.snapshots == "" && o.cfg.DataDir != "" {
		o.snapshots = filepath.Join(o.cfg.DataDir, snapshotsFolder)
	}
	if o.snapshots == "" {
		dir, err := os.MkdirTemp("", "orgsim-snapshots-")
		if err != nil {
			return "", fmt.Errorf("make snapshot folder: %w", err)
		}
		o.snapshots = dir
	}
	if err := os.MkdirAll(o.snapshots, 0o755); err != nil {
		return "", fmt.Errorf("make snapshot folder: %w", err)
	}
	return filepath.Join(o.snapshots, name+".tar"), nil
}

// dropSnapshots removes what is not kept in a data directory.
func (o *Org) dropSnapshots() error {
	o.snapshotsMu.Lock()
	defer o.snapshotsMu.Unlock()
	if o.cfg.DataDir != "" || o.snapshots == "" {
		return nil
	}
	return os.RemoveAll(o.snapshots)
}

// serveSnapshot keeps a snapshot under ?name=, or answers with it.
func (o *Org) serveSnapshot(w http.ResponseWriter, r *http.Request) {
	name := r.URL.Query().Get("name")
	if name == "" {
		o.sendSnapshot(w, r)
		return
	}
	path, err := o.snapshotPath(name)
	if err == nil {
		err = o.keepSnapshot(r.Context(), path)
	}
	if err != nil {
		writeJSON(w, http.StatusBadRequest, problem(err.Error()))
		return
	}
	writeJSON(w, http.StatusCreated, map[string]string{"name": name})
}

// sendSnapshot makes the snapshot first, so that a failure still has a status.
func (o *Org) sendSnapshot(w http.ResponseWriter, r *http.Request) {
	f, err := os.CreateTemp("", "orgsim-snapshot-*.tar")
	if err != nil {
		writeJSON(w, http.StatusInternalServerError, problem(err.Error()))
		return
	}
	defer os.Remove(f.Name())
	defer f.Close()
	err = o.Snapshot(r.Context(), f)
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		writeJSON(w, http.StatusInternalServerError, problem(err.Error()))
		return
	}
	w.Header().Set("Content-Type", "application/x-tar")
	_, _ = io.Copy(w, f) // the client may be gone
}

// keepSnapshot writes beside and renames: a snapshot is there whole or not at all.
func (o *Org) keepSnapshot(ctx context.Context, path string) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return fmt.Errorf("keep snapshot: %w", err)
	}
	defer os.Remove(f.Name())
	if err := errors.Join(o.Snapshot(ctx, f), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// serveRestore restores the snapshot of ?name=, or the one in the body.
// restOfSnapshot bounds what is read of a snapshot that was refused.
const restOfSnapshot = 256 << 20

func (o *Org) serveRestore(w http.ResponseWriter, r *http.Request) {
	content := io.Reader(r.Body)
	if name := r.URL.Query().Get("name"); name != "" {
		path, err := o.snapshotPath(name)
		if err != nil {
			writeJSON(w, http.StatusBadRequest, problem(err.Error()))
			return
		}
		f, err := os.Open(path)
		if err != nil {
			writeJSON(w, http.StatusNotFound, problem("no snapshot of this name"))
			return
		}
		defer f.Close()
		content = f
	}
	info, err := o.Restore(r.Context(), content)
	if err != nil {
		// Who is still sending hears why only if what is on its way is read.
		_, _ = io.Copy(io.Discard, io.LimitReader(r.Body, restOfSnapshot))
		writeJSON(w, http.StatusBadRequest, problem(err.Error()))
		return
	}
	writeJSON(w, http.StatusOK, info)
}

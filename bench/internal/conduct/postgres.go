package conduct

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5"

	"github.com/sallyport-dev/sallyport/bench/internal/proc"
)

// Postgres is a server of the benchmark's own, on a socket in its folder.
type Postgres struct {
	dir   string // of the data, and of the socket
	owner *syscall.Credential
	n     int
}

// settings of the server: those of a small production machine.
const settings = `
listen_addresses = ''
unix_socket_directories = '%s'
shared_buffers = 1GB
max_wal_size = 4GB
max_connections = 50
fsync = on
synchronous_commit = on
log_min_messages = fatal
`

// StartPostgres makes a cluster in a new folder and starts a server. As root it
// does so as the user postgres, since a server refuses to run as root.
func StartPostgres(ctx context.Context, scratch string) (*Postgres, error) {
	dir, err := os.MkdirTemp(scratch, "pg-*")
	if err != nil {
		return nil, fmt.Errorf("make folder: %w", err)
	}
	p := &Postgres{dir: dir}
	if err := p.takeOwner(); err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "data")
	if err := p.run(ctx, "initdb", "-D", data, "-U", "postgres", "--auth=trust", "-E", "UTF8", "--locale=C.UTF-8"); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(data, "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return nil, fmt.Errorf("open settings: %w", err)
	}
	if _, err := fmt.Fprintf(f, settings, dir); err != nil {
		return nil, fmt.Errorf("write settings: %w", err)
	}
	if err := f.Close(); err != nil {
		return nil, fmt.Errorf("write settings: %w", err)
	}
	return p, p.run(ctx, "pg_ctl", "-D", data, "-w", "-s", "-l", filepath.Join(dir, "log"), "start")
}

// takeOwner gives the folder to the user that the server will run as.
func (p *Postgres) takeOwner() error {
	if os.Getuid() != 0 {
		return nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return fmt.Errorf("find user postgres: %w", err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return fmt.Errorf("read user id: %w", err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return fmt.Errorf("read group id: %w", err)
	}
	p.owner = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return os.Chown(p.dir, int(uid), int(gid)) // 32 bits
}

func (p *Postgres) run(ctx context.Context, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...) // constants
	cmd.Dir = p.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.owner}
	// Not through a pipe: the server keeps its ends open.
	out, err := os.OpenFile(filepath.Join(p.dir, "setup.log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666) // both users write
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Run(); err != nil {
		text, _ := os.ReadFile(out.Name()) // what there is helps
		return fmt.Errorf("%s: %w: %s", name, err, text)
	}
	return nil
}

func (p *Postgres) url(database string) string {
	return "postgres://postgres@/" + database + "?host=" + p.dir
}

// Fresh makes an empty database, drops the one before, checkpoints and returns
// the new one's URL.
func (p *Postgres) Fresh(ctx context.Context) (string, error) {
	conn, err := pgx.Connect(ctx, p.url("postgres"))
	if err != nil {
		return "", fmt.Errorf("connect: %w", err)
	}
	defer conn.Close(ctx)
	p.n++
	for _, q := range []string{
		fmt.Sprintf("DROP DATABASE IF EXISTS bench%d WITH (FORCE)", p.n-1),
		fmt.Sprintf("CREATE DATABASE bench%d", p.n),
		"CHECKPOINT",
	} {
		if _, err := conn.Exec(ctx, q); err != nil {
			return "", fmt.Errorf("%s: %w", q, err)
		}
	}
	return p.url(fmt.Sprintf("bench%d", p.n)), nil
}

// Usage returns what the server's processes use.
func (p *Postgres) Usage() (proc.Usage, error) {
	b, err := os.ReadFile(filepath.Join(p.dir, "data", "postmaster.pid"))
	if err != nil {
		return proc.Usage{}, fmt.Errorf("find server: %w", err)
	}
	first, _, _ := strings.Cut(string(b), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil {
		return proc.Usage{}, fmt.Errorf("find server: %w", err)
	}
	return proc.Tree(pid)
}

// Stop stops the server and removes its folder.
func (p *Postgres) Stop(ctx context.Context) error {
	err := p.run(ctx, "pg_ctl", "-D", filepath.Join(p.dir, "data"), "-w", "-s", "-m", "immediate", "stop")
	_ = os.RemoveAll(p.dir)
	return err
}

package conduct

import (
	"os"
	"time"

	"github.com/sallyport-dev/sallyport/bench/internal/proc"
	"github.com/sallyport-dev/sallyport/bench/internal/result"
)

// meter takes what processes use between the two ends of the counted time.
type meter struct {
	began        time.Time
	busy, stolen time.Duration
	parts        []part
	own          time.Duration // the conductor's time until began
	events       int64
	resident     *sampler
}

type part struct {
	name string
	use  func() (proc.Usage, error)
	from time.Duration
}

// meter begins.
func (s *stage) meter() (*meter, error) {
	m := &meter{events: s.c.Events, resident: sample(s.subject.cmd.Process.Pid)}
	for _, c := range []*child{s.subject, s.bus, s.sink} {
		if c != nil {
			m.parts = append(m.parts, part{name: c.name, use: c.usage})
		}
	}
	if s.p.Store == "postgres" {
		m.parts = append(m.parts, part{name: "PostgreSQL server", use: s.Postgres.Usage})
	}
	for i := range m.parts {
		u, err := m.parts[i].use()
		if err != nil {
			return nil, err
		}
		m.parts[i].from = u.CPU
	}
	own, err := proc.Of(os.Getpid())
	if err != nil {
		return nil, err
	}
	m.own = own.CPU
	m.began = time.Now()
	m.busy, m.stolen, err = proc.Busy()
	return m, err
}

// read ends the counted time and writes what was used into r.
func (m *meter) read(r *result.Run) error {
	took := time.Since(m.began)
	resident := m.resident.end()
	busy, stolen, err := proc.Busy()
	if err != nil {
		return err
	}
	others := busy - m.busy
	for _, p := range m.parts {
		u, err := p.use()
		if err != nil {
			return err
		}
		cpu := u.CPU - p.from
		others -= cpu
		r.Procs = append(r.Procs, result.Process{
			Name: p.name, Peak: u.Peak,
			Cores:    cpu.Seconds() / took.Seconds(),
			PerEvent: float64(cpu.Microseconds()) / float64(m.events),
		})
	}
	r.Procs[0].Resident = resident // the program under test comes first
	own, err := proc.Of(os.Getpid())
	if err != nil {
		return err
	}
	others -= own.CPU - m.own
	r.Others = max(0, others.Seconds()) / took.Seconds()
	r.Stolen = (stolen - m.stolen).Seconds() / took.Seconds()
	r.Flagged = r.Others > othersLimit
	return nil
}

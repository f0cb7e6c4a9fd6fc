package conduct

import (
	"time"

	"github.com/sallyport-dev/sallyport/bench/internal/proc"
)

// sampleEvery is how often the memory of a program is looked at.
const sampleEvery = time.Second

// sampler writes down how much memory of a process is resident, until its end.
type sampler struct {
	stop chan struct{}
	got  chan []int64
}

func sample(pid int) *sampler {
	s := &sampler{stop: make(chan struct{}), got: make(chan []int64, 1)}
	go s.run(pid)
	return s
}

func (s *sampler) run(pid int) {
	t := time.NewTicker(sampleEvery)
	defer t.Stop()
	var all []int64
	for {
		select {
		case <-t.C:
			if n, err := proc.Resident(pid); err == nil && n > 0 {
				all = append(all, n)
			}
		case <-s.stop:
			s.got <- all
			return
		}
	}
}

// end ends the sampling and returns the samples. It may be called once.
func (s *sampler) end() []int64 {
	close(s.stop)
	return <-s.got
}

package bulkapi

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// spool is the folder that holds one folder of files for each job. Safe for
// concurrent use.
type spool struct {
	mu  sync.Mutex
	dir string // empty until the first file of a temporary one
}

// The files of a job.
const (
	uploadFile  = "upload.csv"
	successFile = "success.csv"
	failureFile = "failure.csv"
	resultFile  = "result.csv"
	indexFile   = "result.idx" // offsets of the records of resultFile, 8 bytes each
)

// newSpool prepares the folder and empties it: jobs do not outlive their org. A
// temporary one is made when it is needed, so that an org without jobs leaves
// nothing behind however it ends.
func newSpool(dir string) (*spool, error) {
	s := &spool{dir: dir}
	return s, s.remove()
}

func (s *spool) remove() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dir == "" {
		return nil
	}
	if err := os.RemoveAll(s.dir); err != nil {
		return fmt.Errorf("remove files of jobs: %w", err)
	}
	return nil
}

// folder returns the folder, made if need be.
func (s *spool) folder() (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dir == "" {
		dir, err := os.MkdirTemp("", "orgsim-bulk-")
		if err != nil {
			return "", fmt.Errorf("make folder of jobs: %w", err)
		}
		s.dir = dir
	}
	return s.dir, nil
}

func (s *spool) path(job salesforce.ID, file string) (string, error) {
	dir, err := s.folder()
	return filepath.Join(dir, string(job), file), err
}

// create opens a new file of the job for writing.
func (s *spool) create(job salesforce.ID, file string) (*os.File, error) {
	path, err := s.path(job, file)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("make folder of job: %w", err)
	}
	f, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("make file of job: %w", err)
	}
	return f, nil
}

func (s *spool) open(job salesforce.ID, file string) (*os.File, error) {
	path, err := s.path(job, file)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open file of job: %w", err)
	}
	return f, nil
}

// discard removes the job's files; those being read stay readable.
func (s *spool) discard(job salesforce.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dir != "" {
		_ = os.RemoveAll(filepath.Join(s.dir, string(job)))
	}
}

package bulkapi

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// spool is the folder that holds one folder of files for each job.
type spool struct{ dir string }

// The files of a job.
const (
	uploadFile  = "upload.csv"
	successFile = "success.csv"
	failureFile = "failure.csv"
	resultFile  = "result.csv"
	indexFile   = "result.idx" // offsets of the records of resultFile, 8 bytes each
)

// newSpool opens the folder and empties it: jobs do not outlive their org.
func newSpool(dir string) (*spool, error) {
	if dir == "" {
		temporary, err := os.MkdirTemp("", "orgsim-bulk-")
		if err != nil {
			return nil, fmt.Errorf("make folder of jobs: %w", err)
		}
		return &spool{temporary}, nil
	}
	s := &spool{dir}
	if err := s.remove(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make folder of jobs: %w", err)
	}
	return s, nil
}

func (s *spool) remove() error {
	if err := os.RemoveAll(s.dir); err != nil {
		return fmt.Errorf("remove files of jobs: %w", err)
	}
	return nil
}

func (s *spool) path(job salesforce.ID, file string) string {
	return filepath.Join(s.dir, string(job), file)
}

// create opens a new file of the job for writing.
func (s *spool) create(job salesforce.ID, file string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Join(s.dir, string(job)), 0o700); err != nil {
		return nil, fmt.Errorf("make folder of job: %w", err)
	}
	f, err := os.Create(s.path(job, file))
	if err != nil {
		return nil, fmt.Errorf("make file of job: %w", err)
	}
	return f, nil
}

func (s *spool) open(job salesforce.ID, file string) (*os.File, error) {
	f, err := os.Open(s.path(job, file))
	if err != nil {
		return nil, fmt.Errorf("open file of job: %w", err)
	}
	return f, nil
}

// discard removes the job's files; those being read stay readable.
func (s *spool) discard(job salesforce.ID) { _ = os.RemoveAll(filepath.Join(s.dir, string(job))) }

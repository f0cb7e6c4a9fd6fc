package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/cobra"
)

const (
	simulatorURL = "http://127.0.0.1:8180"
	// maxSimProblem bounds what is read of a refusal.
	maxSimProblem = 1 << 20
)

// simulator speaks to the control API of a running simulated org.
type simulator struct{ base string }

// simulatorFlag adds --url to a command that speaks to a running org.
func simulatorFlag(cmd *cobra.Command) *simulator {
	s := &simulator{}
	cmd.Flags().StringVar(&s.base, "url", simulatorURL, "the `URL` of the running org")
	return s
}

// call sends a request and returns the answer's body, which the caller closes. A
// status that also does not name is an error in the org's words.
func (s *simulator) call(ctx context.Context, method, path, kind string, body io.Reader, also ...int) (io.ReadCloser, int, error) {
	request, err := http.NewRequestWithContext(ctx, method, strings.TrimRight(s.base, "/")+path, body)
	if err != nil {
		return nil, 0, usage(fmt.Errorf("--url %s: %w", s.base, err), simulatorURL)
	}
	request.Header.Set("Content-Type", kind)
	request.Header.Set("Accept", "application/json")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return nil, 0, s.unreachable(ctx, err)
	}
	if response.StatusCode < http.StatusMultipleChoices {
		return response.Body, response.StatusCode, nil
	}
	for _, status := range also {
		if response.StatusCode == status {
			return response.Body, status, nil
		}
	}
	defer response.Body.Close()
	return nil, 0, s.refusal(response)
}

func (s *simulator) unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("ask the simulated org: %w", context.Cause(ctx))
	}
	return &Error{
		Code: ExitUnreachable, Err: fmt.Errorf("no simulated org answers at %s: %w", s.base, err),
		Try: "start one with sallyport orgsim, or name another with --url",
	}
}

func (s *simulator) refusal(response *http.Response) error {
	text, err := io.ReadAll(io.LimitReader(response.Body, maxSimProblem))
	var problem struct {
		Error string `json:"error"`
	}
	if err == nil && json.Unmarshal(text, &problem) == nil && problem.Error != "" {
		return errors.New(oneLine(problem.Error))
	}
	return fmt.Errorf("the simulated org at %s answers %s: is it one?", s.base, response.Status)
}

// post sends v as JSON and decodes the answer into result, if that is not nil.
func (s *simulator) post(ctx context.Context, path string, v, result any, also ...int) (int, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return 0, fmt.Errorf("write request: %w", err)
	}
	body, status, err := s.call(ctx, http.MethodPost, path, "application/json", bytes.NewReader(text), also...)
	if err != nil {
		return 0, err
	}
	defer body.Close()
	if result == nil {
		return status, nil
	}
	if err := json.NewDecoder(body).Decode(result); err != nil {
		return status, fmt.Errorf("read the org's answer: %w", err)
	}
	return status, nil
}

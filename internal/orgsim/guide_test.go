package orgsim_test

import (
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/orgsim"
	"github.com/sallyport-dev/sallyport/internal/orgsim/fault"
	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
)

var fenced = regexp.MustCompile("(?s)```(\\w+)\n(.*?)```")

// guideBlocks returns the fenced texts of a page in one language.
func guideBlocks(t *testing.T, language string) []string {
	t.Helper()
	page, err := os.ReadFile("../../docs/orgsim-guide.md")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, m := range fenced.FindAllStringSubmatch(string(page), -1) {
		if m[1] == language {
			found = append(found, m[2])
		}
	}
	return found
}

// shellWords splits a command line with the quotes that the guide uses.
func shellWords(t *testing.T, line string) []string {
	t.Helper()
	var words []string
	for _, m := range regexp.MustCompile(`'([^']*)'|"([^"]*)"|(\S+)`).FindAllStringSubmatch(line, -1) {
		words = append(words, m[1]+m[2]+m[3])
	}
	return words
}

// curl does what the command line of that name would.
func curl(t *testing.T, o *orgsim.Org, token, line string) (int, string) {
	t.Helper()
	words := shellWords(t, strings.NewReplacer("http://127.0.0.1:8180", o.URL(), "$TOKEN", token).Replace(line))
	method, url, kind := "", "", "application/x-www-form-urlencoded"
	header := http.Header{}
	var data []string
	for i := 1; i < len(words); i++ {
		switch words[i] {
		case "-X", "-H", "-d":
			value := words[i+1]
			switch words[i] {
			case "-X":
				method = value
			case "-d":
				data = append(data, value)
			default:
				name, text, _ := strings.Cut(value, ": ")
				header.Set(name, text)
			}
			i++
		default:
			if url != "" {
				t.Fatalf("%s: what is %q?", line, words[i])
			}
			url = words[i]
		}
	}
	if method == "" {
		method = map[bool]string{true: http.MethodPost, false: http.MethodGet}[data != nil]
	}
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(strings.Join(data, "&")))
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	request.Header = header
	if data != nil && header.Get("Content-Type") == "" {
		header.Set("Content-Type", kind)
	}
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

// TestGuide_CurlCommandsWork runs the guide's requests in their order. That its
// sallyport commands exist, cmd/sallyport checks for every page.
func TestGuide_CurlCommandsWork(t *testing.T) {
	t.Parallel()
	o := start(t, orgsim.Config{PubSubAddr: orgsim.Off, PubSubTLSAddr: orgsim.Off})
	token, ran := login(t, o).token, 0
	for _, block := range guideBlocks(t, "sh") {
		for line := range strings.Lines(block) {
			if !strings.HasPrefix(line, "curl ") {
				continue
			}
			ran++
			if status, body := curl(t, o, token, strings.TrimSpace(line)); status >= http.StatusBadRequest {
				t.Errorf("%s%d %s", line, status, body)
			}
		}
	}
	if ran < 12 {
		t.Errorf("only %d commands found; is the guide still read?", ran)
	}
	if faults := o.Faults().List(); len(faults) != 0 {
		t.Errorf("the guide leaves faults on: %v", faults)
	}
}

func TestGuide_FilesAreGood(t *testing.T) {
	t.Parallel()
	schemas, faults := 0, 0
	for _, block := range guideBlocks(t, "yaml") {
		switch {
		case strings.HasPrefix(block, "# schema.yaml"):
			catalog, err := schema.Parse([]byte(block))
			if err != nil {
				t.Error(err)
				continue
			}
			if o, ok := catalog.Object("Invoice__c"); !ok || !o.ChangeEvents {
				t.Error("the guide's object is not there")
			}
			schemas++
		case strings.HasPrefix(block, "# faults.yaml"):
			list, err := fault.Parse([]byte(block))
			if err != nil || len(list) != 3 {
				t.Errorf("%v: %v", list, err)
			}
			faults++
		default:
			t.Errorf("nobody checks %q", block)
		}
	}
	if schemas != 1 || faults != 1 {
		t.Errorf("%d schemas and %d fault files found", schemas, faults)
	}
}

// TestGuide_NamesWhatIsThere holds the guide's defaults and fault names against
// the code.
func TestGuide_NamesWhatIsThere(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/orgsim-guide.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		orgsim.DefaultClientID + "`, `" + orgsim.DefaultClientSecret, orgsim.DefaultUsername + "`, `" + orgsim.DefaultPassword, string(orgsim.DefaultOrgID),
	} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the guide lacks %q", want)
		}
	}
	known := map[string]bool{}
	for _, name := range fault.Names() {
		known[string(name)] = true
	}
	_, table, _ := strings.Cut(string(page), "| switch on | ask |")
	table, _, _ = strings.Cut(table, "\n## ")
	named := 0
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		if len(cells) < 3 {
			continue
		}
		for _, m := range regexp.MustCompile("`([a-z]+-[a-z-]+|unavailable)`").FindAllStringSubmatch(cells[1], -1) {
			named++
			if !known[m[1]] {
				t.Errorf("there is no fault %q", m[1])
			}
		}
	}
	if named < 8 {
		t.Errorf("only %d faults named", named)
	}
}

package archtest

import (
	"go/ast"
	"slices"
	"strings"
)

// Room is a part of the house and what its product code may import of the
// project. In patterns, "/..." stands for a folder and everything below it.
// A room may always import what lies below itself unless Alone is set.
type Room struct {
	// Path matches the folders of the room; the most specific room counts.
	Path string
	// May lists the project's folders it may import.
	May []string
	// StandardOnly forbids other people's modules.
	StandardOnly bool
	// Alone forbids importing other folders of the same room.
	Alone bool
	Why   string
}

var (
	floor   = []string{"internal/event", "internal/salesforce", "internal/secret", "internal/sealed"}
	engines = []string{"internal/route", "internal/delivery", "internal/callout", "internal/subscription", "internal/budget", "internal/watch", "internal/trail", "internal/roster", "internal/scale"}
	wires   = []string{
		"internal/salesforce/auth", "internal/salesforce/call", "internal/salesforce/rest", "internal/salesforce/bulk", "internal/salesforce/pubsub",
		"internal/salesforce/cometd", "internal/rabbit", "internal/heroku", "internal/pg",
	}
)

func allowed(lists ...[]string) []string { return slices.Concat(lists...) }

// Rooms is the house plan. A folder that no room matches may not exist.
var Rooms = []Room{
	{
		Path: "internal/event", StandardOnly: true,
		Why: "the floor is imported by everyone; whatever it imports, everyone would",
	},
	{
		Path: "internal/salesforce", StandardOnly: true, Alone: true,
		Why: "the words of Salesforce are shared by the wires and the simulator, which must share nothing else",
	},
	{
		Path: "internal/secret", StandardOnly: true,
		Why: "the floor is imported by everyone; whatever it imports, everyone would",
	},
	{
		Path: "internal/sealed", StandardOnly: true,
		Why: "the floor is imported by everyone; whatever it imports, everyone would",
	},
	{
		Path: "internal/trail", StandardOnly: true,
		Why: "an audit must be possible without whatever it audits",
	},
	{
		Path: "internal/run", StandardOnly: true,
		Why: "supervision knows nothing of what it supervises",
	},
	{
		Path: "internal/salesforce/auth", May: floor,
		Why: "a wire speaks one protocol; it knows neither engines nor other wires",
	},
	{
		Path: "internal/salesforce/call", May: allowed(floor, []string{"internal/salesforce/auth"}),
		Why: "a call knows the session and no resource; the wires above it know the resources",
	},
	{
		Path: "internal/salesforce/rest", May: allowed(floor, []string{"internal/salesforce/auth", "internal/salesforce/call"}),
		Why: "a wire speaks one protocol; the wires to Salesforce share only the login and, over HTTP, the call",
	},
	{
		Path: "internal/salesforce/bulk", May: allowed(floor, []string{"internal/salesforce/auth", "internal/salesforce/call"}),
		Why: "a wire speaks one protocol; the wires to Salesforce share only the login and, over HTTP, the call",
	},
	{
		Path: "internal/salesforce/cometd", May: allowed(floor, []string{"internal/salesforce/auth"}),
		Why: "a wire speaks one protocol; the wires to Salesforce share only the login",
	},
	{
		Path: "internal/salesforce/pubsub/...", May: allowed(floor, []string{"internal/salesforce/auth"}),
		Why: "a wire speaks one protocol; the wires to Salesforce share only the login",
	},
	{
		Path: "internal/salesforce/pubsub/pubsubpb", Alone: true,
		Why: "the messages are the published protocol, shared with the simulator; code beside them would be shared too",
	},
	{
		Path: "internal/pg", May: floor,
		Why: "a wire speaks one protocol; it knows neither engines nor other wires",
	},
	{
		Path: "internal/rabbit", May: floor,
		Why: "a wire speaks one protocol; it knows neither engines nor other wires",
	},
	{
		Path: "internal/heroku", May: floor,
		Why: "a wire speaks one protocol; it knows neither engines nor other wires",
	},
	{
		Path: "internal/scale", May: floor,
		Why: "an engine decides by the floor's words and interfaces of its own, so that it is tested without any system",
	},
	{
		Path: "internal/delivery/...", May: floor,
		Why: "an engine decides by the floor's words and interfaces of its own, so that it is tested without any system",
	},
	{
		Path: "internal/subscription/...", May: floor,
		Why: "an engine decides by the floor's words and interfaces of its own, so that it is tested without any system",
	},
	{
		Path: "internal/budget/...", May: floor,
		Why: "an engine decides by the floor's words and interfaces of its own, so that it is tested without any system",
	},
	{
		Path: "internal/watch/...", May: floor,
		Why: "an engine decides by the floor's words and interfaces of its own, so that it is tested without any system",
	},
	{
		Path: "internal/roster", May: floor,
		Why: "an engine decides by the floor's words and interfaces of its own, so that it is tested without any system",
	},
	{
		Path: "internal/route/...", May: allowed(floor, []string{"internal/delivery"}),
		Why: "a route ends in delivery; delivery does not know that routes exist",
	},
	{
		Path: "internal/schema", May: floor,
		Why: "what a payload must look like is a rule of its own, for whoever takes payloads",
	},
	{
		Path: "internal/openapi", May: []string{"internal/schema"},
		Why: "a description is made of settings and schemas; it knows nobody who serves or deploys it",
	},
	{
		Path: "internal/sfdx", StandardOnly: true,
		Why: "a project is made of names and addresses; it knows neither settings nor the gateway",
	},
	{
		Path: "internal/outbound", May: allowed(floor, []string{"internal/route"}),
		Why: "a surface hands events to the waiting room; it does not know what becomes of them",
	},
	{
		Path: "internal/caller", May: floor,
		Why: "who calls is decided without knowing what is called",
	},
	{
		Path: "internal/callout/...", May: allowed(floor, []string{"internal/route", "internal/delivery"}),
		Why: "an engine decides by the floor's words and interfaces of its own; a request is let in for a route and waits for its delivery",
	},
	{
		Path: "internal/intake", May: allowed(floor, []string{"internal/callout", "internal/run"}),
		Why: "a surface lets requests in and writes answers; what they are is the engine's",
	},
	{
		Path: "internal/store/...", May: allowed(floor, []string{"internal/route", "internal/delivery", "internal/subscription", "internal/budget", "internal/watch", "internal/trail", "internal/pg", "internal/rabbit"}),
		Why: "the store persists the engines' types behind the interfaces that they declare",
	},
	{
		Path: "internal/connect/...", Alone: true, May: allowed(floor, wires),
		Why: "an adapter joins one wire to the floor's interfaces; engines and other adapters are none of its business",
	},
	{
		Path: "internal/control", May: allowed(floor, engines, []string{"internal/run"}),
		Why: "a surface shows the engines; it never speaks to a system itself",
	},
	{
		Path: "internal/config", May: floor,
		Why: "the configuration describes settings; it knows nobody who uses them",
	},
	{
		Path: "internal/cli", May: allowed(floor, engines, []string{"internal/sfdx", "internal/config", "internal/control", "internal/run", "internal/demo/...", "internal/orgsim/..."}),
		Why: "the command line is a surface: it asks control and is given the assembly",
	},
	{
		Path: "internal/app/...", May: allowed(floor, engines, wires, []string{
			"internal/caller", "internal/config", "internal/connect/...", "internal/control", "internal/intake", "internal/openapi", "internal/outbound", "internal/schema", "internal/sfdx", "internal/run", "internal/store/...",
		}),
		Why: "the assembly builds the gateway; what it is shown in, and what it is tried on, stay outside",
	},
	{
		Path: "internal/orgsim/...", May: allowed([]string{"internal/salesforce", "internal/salesforce/pubsub/pubsubpb"}),
		Why: "a simulator built from the client's code agrees with the client's mistakes",
	},
	{
		Path: "internal/demo/...", May: allowed(floor, wires, []string{"internal/orgsim/...", "internal/control", "internal/run"}),
		Why: "the demo shows the product from outside: it publishes as a client of the org, receives as an application and asks as an operator",
	},
	{
		Path: "internal/testkit/...", May: []string{"internal/..."},
		Why: "helpers of tests may touch everything, because no product code may touch them",
	},
	{
		Path: "internal/archtest", StandardOnly: true,
		Why: "the judge depends on nobody it judges",
	},
	{
		Path: "cmd/...", May: []string{"internal/cli", "internal/app/...", "internal/config", "internal/demo/...", "internal/orgsim/..."},
		Why: "main joins the assembly to the command line and does nothing else",
	},
	{
		Path: "test/...", May: []string{"internal/..."},
		Why: "tests of the built binary may use anything to look at it",
	},
	{
		Path: "bench/...", May: []string{"internal/..."},
		Why: "benchmarks measure anything",
	},
}

// CheckImports returns the imports in product code that break the plan. Tests
// may import what they like, except that the two that must never meet do not
// meet there either: see [CheckTestImports].
func CheckImports(files []*File, rooms []Room) []Violation {
	var out []Violation
	for _, f := range files {
		if f.Test {
			continue
		}
		room, ok := roomOf(f.Room, rooms)
		if !ok {
			out = append(out, Violation{f.Name, "folder " + f.Room + " has no place in the house plan", "add it to Rooms with its reason, or put the code where it belongs"})
			continue
		}
		for imported, at := range f.Imports() {
			if v, bad := room.judge(f, imported, at); bad {
				out = append(out, v)
			}
		}
	}
	sortViolations(out)
	return out
}

func (r Room) judge(f *File, imported string, at ast.Node) (Violation, bool) {
	inside, ours := strings.CutPrefix(imported, Module+"/")
	switch {
	case !ours && r.StandardOnly && strings.Contains(strings.Split(imported, "/")[0], "."):
		return Violation{f.Place(at), f.Room + " imports " + imported + ", which is not in the standard library", r.Why}, true
	case !ours, r.permits(f.Room, inside):
		return Violation{}, false
	}
	return Violation{f.Place(at), f.Room + " may not import " + inside, r.Why}, true
}

func (r Room) permits(from, to string) bool {
	if testHelper(to) && from != to {
		return testHelper(from) || strings.HasPrefix(from, "test/") || strings.HasPrefix(from, "bench/")
	}
	if slices.ContainsFunc(r.May, func(p string) bool { return match(p, to) }) {
		return true
	}
	base := strings.TrimSuffix(r.Path, "/...")
	return !r.Alone && (to == base || strings.HasPrefix(to, base+"/"))
}

// testHelper reports whether a folder is for tests only: testkit, and the
// conformance suites and fakes that stand beside what they test.
func testHelper(folder string) bool {
	return match("internal/testkit/...", folder) || strings.HasSuffix(folder, "test")
}

// roomOf finds the most specific room of a folder.
func roomOf(folder string, rooms []Room) (Room, bool) {
	var best Room
	found := false
	for _, r := range rooms {
		if match(r.Path, folder) && (!found || len(strings.TrimSuffix(r.Path, "/...")) > len(strings.TrimSuffix(best.Path, "/..."))) {
			best, found = r, true
		}
	}
	return best, found
}

func match(pattern, folder string) bool {
	base, tree := strings.CutSuffix(pattern, "/...")
	return folder == base || (tree && strings.HasPrefix(folder, base+"/"))
}

// CheckTestImports returns the imports in tests that would let the simulator
// and the wires be judged by each other's code inside one of them.
func CheckTestImports(files []*File) []Violation {
	const why = "a simulator tested with the client's codec agrees with the client's mistakes"
	var out []Violation
	for _, f := range files {
		if !f.Test || !match("internal/orgsim/...", f.Room) {
			continue
		}
		for imported, at := range f.Imports() {
			inside, _ := strings.CutPrefix(imported, Module+"/")
			if slices.Contains(wires, inside) {
				out = append(out, Violation{f.Place(at), "a test of " + f.Room + " may not import " + inside, why})
			}
		}
	}
	sortViolations(out)
	return out
}

func sortViolations(all []Violation) {
	slices.SortFunc(all, func(a, b Violation) int {
		if c := strings.Compare(a.Place, b.Place); c != 0 {
			return c
		}
		return strings.Compare(a.What, b.What)
	})
}

package control

import (
	"cmp"
	"maps"
	"slices"
)

// EncryptionReport says with which keys the payloads in a store are sealed.
type EncryptionReport struct {
	Keys []EncryptionKey `json:"keys"`
}

// EncryptionKey is a key, or clear text, and what rests under it.
type EncryptionKey struct {
	// ID is empty for clear text.
	ID string `json:"id"`
	// Use is "seals" (the first key of the settings), "opens" (another one of them),
	// "missing" (something is sealed with it that nobody can open) or "clear".
	Use string `json:"use"`
	// Payloads counts events, Answers those kept for repeated requests.
	Payloads int64 `json:"payloads"`
	Answers  int64 `json:"answers"`
	// Removable says that nothing in the store needs the key any more.
	Removable bool `json:"removable"`
}

// The uses of a key.
const (
	KeySeals   = "seals"
	KeyOpens   = "opens"
	KeyMissing = "missing"
	KeyClear   = "clear"
)

// NewEncryptionReport joins the ids of the settings' keys, the sealing one first, with
// what was counted by key id.
func NewEncryptionReport(ids []string, payloads, answers map[string]int64) EncryptionReport {
	r := EncryptionReport{Keys: []EncryptionKey{}}
	add := func(id, use string) {
		k := EncryptionKey{ID: id, Use: use, Payloads: payloads[id], Answers: answers[id]}
		k.Removable = use == KeyOpens && k.Payloads+k.Answers == 0
		r.Keys = append(r.Keys, k)
	}
	for i, id := range ids {
		add(id, cmp.Or(map[int]string{0: KeySeals}[i], KeyOpens))
	}
	found := maps.Clone(payloads)
	maps.Copy(found, answers)
	for _, id := range slices.Sorted(maps.Keys(found)) {
		switch {
		case id == "":
			add(id, KeyClear)
		case !slices.Contains(ids, id):
			add(id, KeyMissing)
		}
	}
	return r
}

// Missing are the ids of keys that something is sealed with and nobody has.
func (r EncryptionReport) Missing() (ids []string) {
	for _, k := range r.Keys {
		if k.Use == KeyMissing {
			ids = append(ids, k.ID)
		}
	}
	return ids
}

package cli

// OrgDescription is shown to the test that holds it against docs/cli-json.md.
type OrgDescription = orgDescription

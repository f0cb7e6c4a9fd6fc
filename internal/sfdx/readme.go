package sfdx

import "strings"

// readme tells an admin what to do with the project.
func (c Config) readme() []byte {
	enter := "the name of a caller of the gateway's configuration that has `client_secrets` as *Client ID*, and one of those secrets as *Client Secret*"
	if c.Auth == Bearer {
		enter = "an *Authentication Parameter* named `Token` whose value is one of the `tokens` of a caller of the gateway's configuration"
	}
	text := strings.NewReplacer("NAME", c.Name, "URL", c.URL, "ENTER", enter).Replace(`# NAME: the Salesforce side of a gateway

Written by ` + "`sallyport generate salesforce`" + `. Write it again after a change of the configuration, and deploy what differs; there is
no secret in it.

1. Deploy the Apex package first; it brings the type of the custom metadata.
2. ` + "`sf project deploy start --manifest manifest/package.xml --target-org <org>`" + `
3. In Setup, *Named Credentials*, tab *External Credentials*, open *NAME gateway*. Beside the principal *` + Principal + `* choose *Edit* and
   enter ENTER.
4. ` + "`sf org assign permset --name NAME_Callouts --target-org <org>`" + `, and the same for every user whose actions call the gateway.

Callouts go to URL. A user without the permission set gets an error that names the external credential. The gateway's log says why it refuses a caller.
`)
	return []byte(text)
}

package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sallyport-dev/sallyport/internal/control"
)

func (a *app) encryptionCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "encryption", Short: "Encryption of payloads at rest"}
	status := a.jsonFlag(&cobra.Command{
		Use: "status", Short: "With which keys the stored payloads are sealed, and which keys can go; exit 3 if one is missing", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			settings, err := a.settings("store", "encryption")
			if err != nil {
				return err
			}
			report, err := a.EncryptionStatus(cmd.Context(), settings)
			if err != nil {
				return fmt.Errorf("read the store %s: %w", settings.Store.URL, err)
			}
			a.say("read from the store %s", settings.Store.URL)
			if a.json {
				err = a.printJSON(report)
			} else {
				a.printEncryption(report)
			}
			if missing := report.Missing(); err == nil && len(missing) > 0 {
				return &Error{
					Code: ExitFindings, Err: errors.New("payloads are sealed with keys that are not in encryption.keys: " + strings.Join(missing, ", ")),
					Try: "put the keys back, behind the first one, and restart; nothing was lost",
				}
			}
			return err
		},
	})
	cmd.AddCommand(status)
	return cmd
}

func (a *app) printEncryption(r control.EncryptionReport) {
	if len(r.Keys) == 0 {
		fmt.Fprintln(a.Stdout, "nothing is stored, and encryption.keys names no key")
		return
	}
	var rows [][]cell
	for _, k := range r.Keys {
		rows = append(rows, []cell{text(orDash(k.ID)), text(k.Use), number(k.Payloads), number(k.Answers), text(keyNote(k))})
	}
	a.table([]string{"KEY", "USE", "PAYLOADS", "ANSWERS", "NOTE"}, rows)
}

func keyNote(k control.EncryptionKey) string {
	switch {
	case k.Use == control.KeySeals:
		return "new payloads are sealed with it"
	case k.Use == control.KeyMissing:
		return "put it back into encryption.keys"
	case k.Removable:
		return "can be taken out of encryption.keys, unless RabbitMQ still holds messages from its time"
	case k.Use == control.KeyClear && k.Payloads > 0, k.Payloads > 0:
		return "a running gateway seals them with the first key"
	case k.Answers > 0:
		return "answers for repeated requests are forgotten in time (remember)"
	}
	return ""
}

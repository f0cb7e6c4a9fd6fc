package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sallyport-dev/sallyport/internal/control"
	"github.com/sallyport-dev/sallyport/internal/watch"
)

func (a *app) alarmsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "alarms",
		Short: "List what needs an operator, or exit with 3 if anything is critical",
		Long: "List what needs an operator, the worst first. The exit code is 3 if anything is critical.\n\n" +
			"When no gateway runs, what it last said is shown and the exit code is 4: nobody watches then.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			list, err := ask(cmd.Context(), a, func(ctx context.Context, api control.API) (control.AlarmList, error) { return api.Alarms(ctx) })
			if err != nil {
				return err
			}
			if a.json {
				err = a.printJSON(list)
			} else {
				a.printAlarmList(list)
			}
			if err != nil {
				return err
			}
			return a.judgeAlarms(list)
		},
	}
	a.readFlags(cmd)
	return cmd
}

func (a *app) judgeAlarms(list control.AlarmList) error {
	if !list.Live && a.via == viaAuto {
		return &Error{Code: ExitUnreachable, Err: errors.New("the gateway is not running: nobody watches"), Try: "start it with sallyport run"}
	}
	critical := 0
	for _, one := range list.Alarms {
		if one.Severity == watch.Critical {
			critical++
		}
	}
	if critical > 0 {
		return &Error{Code: ExitFindings, Err: fmt.Errorf("%d critical alarm(s)", critical), Try: "do what stands beside them under NEXT"}
	}
	return nil
}

func (a *app) printAlarmList(list control.AlarmList) {
	if len(list.Alarms) == 0 {
		fmt.Fprintln(a.Stdout, a.coloured(cell{text: "no alarm", colour: green}))
		return
	}
	a.printAlarms(list.Alarms)
}

func (a *app) printAlarms(all []watch.Alarm) {
	var rows [][]cell
	for _, one := range all {
		colour := yellow
		if one.Severity == watch.Critical {
			colour = red
		}
		rows = append(rows, []cell{
			text(string(one.Severity)).in(colour), text(string(one.Rule)), text(oneLine(one.Subject)), text(a.ago(one.Since)),
			text(a.ago(one.Told)), text(oneLine(one.What)), text(oneLine(one.Hint)),
		})
	}
	a.table([]string{"ALARM", "RULE", "SUBJECT", "SINCE", "TOLD", "WHAT", "NEXT"}, rows)
}

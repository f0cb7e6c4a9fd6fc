package cli

import (
	"fmt"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/control"
	"github.com/sallyport-dev/sallyport/internal/scale"
)

// printQueues shows the queues of all routes; with rates, where the management API tells them.
func (a *app) printQueues(list control.QueueList) {
	told := list.Broker.Management.State == control.ManagementReached
	heads := []string{"ROUTE", "READY", "RETRYING", "DEAD", "CONSUMERS", "LIMIT"}
	if told {
		heads = append(heads, "UNACKED", "IN/S", "OUT/S", "CAPACITY")
	}
	var rows [][]cell
	for _, l := range list.Queues {
		dead := number(l.Dead).in(colourIf(l.Dead > 0, red))
		row := []cell{text(l.Route), number(l.Ready), number(l.Retrying), dead, number(l.Consumers), number(l.MaxDepth)}
		if told {
			row = append(row, trafficCells(l.Traffic)...)
		}
		rows = append(rows, append(row, text(queueNote(l))))
	}
	a.table(append(heads, "NOTE"), rows)
	a.printBroker(&list.Broker)
}

func trafficCells(t *control.QueueTraffic) []cell {
	if t == nil {
		return []cell{text(""), text(""), text(""), text("")}
	}
	return []cell{number(t.Unacked), {text: perSecond(t.Published), right: true}, {text: perSecond(t.Acked), right: true}, {text: orDash(capacity(t)), right: true}}
}

func perSecond(rate float64) string { return fmt.Sprintf("%.1f", rate) }

func capacity(t *control.QueueTraffic) string {
	if t.Capacity == nil {
		return ""
	}
	return fmt.Sprintf("%.0f %%", 100**t.Capacity)
}

// trafficLines are what the management API tells of one route.
func (a *app) trafficLines(t *control.QueueTraffic) [][2]string {
	if t == nil {
		return nil
	}
	return [][2]string{
		{"unacked", fmt.Sprint(t.Unacked)},
		{"rates", fmt.Sprintf("%s published, %s delivered, %s acknowledged a second, over the last minute", perSecond(t.Published), perSecond(t.Delivered), perSecond(t.Acked))},
		{"capacity", capacityWords(t)},
		{"oldest", a.age(t.Oldest)},
		{"bytes", fmt.Sprint(t.Bytes)},
	}
}

func capacityWords(t *control.QueueTraffic) string {
	if t.Capacity == nil {
		return ""
	}
	return capacity(t) + " of the time consumers took messages at once"
}

// printBroker shows only what needs attention: a healthy broker is quiet.
func (a *app) printBroker(b *control.Broker) {
	if b == nil {
		return
	}
	var lines []cell
	say := func(colour, format string, args ...any) {
		lines = append(lines, cell{text: oneLine(fmt.Sprintf(format, args...)), colour: colour})
	}
	if !b.Connected && b.Why != "" {
		say(red, "broker: not connected: %s", reason(b.Why, b.Hint))
	}
	if b.Blocked != "" {
		say(red, "broker: takes no messages: %s", b.Blocked)
	}
	for _, n := range b.Nodes {
		var alarms []string
		for word, on := range map[string]bool{"memory alarm": n.MemoryAlarm, "disk alarm": n.DiskAlarm, "down": !n.Running} {
			if on {
				alarms = append(alarms, word)
			}
		}
		if len(alarms) > 0 {
			say(red, "broker: node %s: %s (memory %d of %d MB, disk %d MB free)", n.Name, strings.Join(alarms, ", "), n.MemoryUsed>>20, n.MemoryLimit>>20, n.DiskFree>>20)
		}
	}
	if m := b.Management; m.State == control.ManagementUnreachable {
		say(yellow, "management API: not read, so rates and alarms are not known: %s", reason(m.Why, m.Hint))
	}
	if len(lines) > 0 {
		fmt.Fprintln(a.Stdout)
	}
	for _, l := range lines {
		fmt.Fprintln(a.Stdout, a.coloured(l))
	}
}

func (a *app) printScaling(all []scale.Status) {
	if len(all) == 0 {
		return
	}
	fmt.Fprintln(a.Stdout)
	var rows [][]cell
	for _, s := range all {
		dynos, wanted := text(""), text("")
		if s.Acting {
			dynos, wanted = number(s.Quantity), number(s.Wanted)
		}
		rows = append(rows, []cell{text(s.Process), dynos, wanted, text(fmt.Sprintf("%d-%d", s.Floor, s.Ceiling)), text(a.ago(s.Changed)), text(reason(s.Why, s.Hint))})
	}
	a.table([]string{"SCALED PROCESS", "DYNOS", "WANTED", "BOUNDS", "CHANGED", "WHY"}, rows)
}

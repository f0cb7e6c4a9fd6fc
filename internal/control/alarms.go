package control

import (
	"context"

	"github.com/sallyport-dev/sallyport/internal/watch"
)

// Alarms implements [API].
func (s *Service) Alarms(ctx context.Context) (AlarmList, error) {
	all, err := s.alarms(ctx)
	if err != nil {
		return AlarmList{}, fault("read the alarms", err)
	}
	return AlarmList{Live: s.live(), At: s.config.Now().UTC(), Alarms: all}, nil
}

// alarms never returns nil, which JSON would show as null.
func (s *Service) alarms(ctx context.Context) ([]watch.Alarm, error) {
	all := []watch.Alarm{}
	if s.config.Alarms == nil {
		return all, nil
	}
	active, err := s.config.Alarms(ctx)
	return append(all, active...), err
}

// Alarms implements [API].
func (c *Client) Alarms(ctx context.Context) (AlarmList, error) {
	var out AlarmList
	return out, c.get(ctx, pathAlarms, nil, &out)
}

package apex

import (
	"cmp"
	"context"
	"fmt"
	"maps"
)

// Chunk is one execution of a batch job.
type Chunk struct {
	Number    int        `json:"number"`
	Records   int        `json:"records"`
	Exception *Exception `json:"exception,omitempty"`
	Callouts  int        `json:"callouts"`
}

// BatchResult is how a batch job went, as AsyncApexJob has it.
type BatchResult struct {
	TotalJobItems     int `json:"totalJobItems"`
	JobItemsProcessed int `json:"jobItemsProcessed"`
	NumberOfErrors    int `json:"numberOfErrors"`
	// Chunks are the executions; of a long job the first thousand and every failed one.
	Chunks []Chunk `json:"chunks"`
}

const maxChunks = 1_000

// performBatch runs start, then execute for every part of the records, then finish.
// A part that fails is rolled back alone and the job goes on.
func (rt *Runtime) performBatch(u *unit) {
	result := u.entry.draft()
	b := &BatchResult{Chunks: []Chunk{}}
	result.Batch = b
	state := maps.Clone(u.with)
	if state == nil {
		state = variables{}
	}
	records, failed := rt.startBatch(rt.ctx, u, state)
	if failed != nil {
		u.entry.publish(result)
		u.entry.end(rt.cfg.Clock.Now(), failed)
		u.entry.settle()
		return
	}
	scope := cmp.Or(u.batch.Scope, defaultScope)
	b.TotalJobItems = (len(records) + scope - 1) / scope
	for i := range b.TotalJobItems {
		if rt.ctx.Err() != nil {
			break
		}
		state = rt.execute(u, i, records[i*scope:min((i+1)*scope, len(records))], state, result)
		u.entry.publish(result)
	}
	var err error
	if len(u.batch.Finish) > 0 {
		part := &Result{}
		with := maps.Clone(state)
		with["job"] = map[string]any{"id": u.entry.id(), "totalJobItems": int64(b.TotalJobItems), "numberOfErrors": int64(b.NumberOfErrors)}
		_, err = rt.transact(rt.ctx, u, u.batch.Finish, "finish", with, part)
		result.join(part)
	}
	u.entry.publish(result)
	u.entry.end(rt.cfg.Clock.Now(), orNil(err))
	u.entry.settle()
}

// startBatch finds the records. A query locator is not bound by the limit of rows.
func (rt *Runtime) startBatch(ctx context.Context, u *unit, with variables) ([]any, *Exception) {
	if u.batch.Query == "" {
		v, err := with.resolve(u.batch.Records)
		if err != nil {
			return nil, asException(err)
		}
		list, err := asList(v)
		return list, orNil(err)
	}
	v, err := with.expand(u.batch.Query, bound)
	if err != nil {
		return nil, asException(err)
	}
	result, err := rt.cfg.Records.Query(ctx, text(v), false)
	if err != nil {
		return nil, asException(queryProblem(err))
	}
	return recordsOf(result), nil
}

// execute runs one part and returns the variables for the next one.
func (rt *Runtime) execute(u *unit, number int, records []any, state variables, result *Result) variables {
	b, part := result.Batch, &Result{}
	with := maps.Clone(state)
	with["scope"] = records
	chunk := Chunk{Number: number, Records: len(records)}
	after, err := variables(nil), rt.countAsync(1)
	if err == nil {
		after, err = rt.transact(rt.ctx, u, u.batch.Execute, fmt.Sprintf("execute(%d)", number), with, part)
	}
	b.JobItemsProcessed++
	if chunk.Exception = orNil(err); err != nil {
		b.NumberOfErrors++
		if result.Exception == nil { // ExtendedStatus tells the first
			result.Exception = chunk.Exception
		}
	}
	chunk.Callouts = int(part.Limits["callouts"].Used)
	if len(b.Chunks) < maxChunks || err != nil {
		b.Chunks = append(b.Chunks, chunk)
	}
	part.Callouts = nil // hundreds in each part
	result.join(part)
	if !u.batch.Stateful || after == nil {
		return state
	}
	delete(after, "scope")
	return after
}

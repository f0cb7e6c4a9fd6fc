package record

import "encoding/binary"

// placesPerBlock is how many row numbers share one starting point.
const placesPerBlock = 1024

// places is a list of row numbers in the order of a result, in some two bytes each
// when the order is that of creation.
type places struct {
	n      int
	last   int64
	blocks []placeBlock
}

type placeBlock struct {
	first int64
	steps []byte // varint distances from one number to the next
}

func (p *places) add(place int64) {
	if p.n%placesPerBlock == 0 {
		p.blocks = append(p.blocks, placeBlock{first: place})
	} else {
		b := &p.blocks[len(p.blocks)-1]
		b.steps = binary.AppendVarint(b.steps, place-p.last)
	}
	p.last = place
	p.n++
}

// slice returns the numbers from one index up to, but without, another.
func (p *places) slice(from, until int) []int64 {
	list := make([]int64, 0, until-from)
	for i := from / placesPerBlock; i*placesPerBlock < until && i < len(p.blocks); i++ {
		b := p.blocks[i]
		at, steps := b.first, b.steps
		for index := i * placesPerBlock; index < until; index++ {
			if index >= from {
				list = append(list, at)
			}
			step, n := binary.Varint(steps)
			if n <= 0 {
				break
			}
			at, steps = at+step, steps[n:]
		}
	}
	return list
}

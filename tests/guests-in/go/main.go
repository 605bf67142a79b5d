// A platform plugin in Go, built by Go's own compiler: it likes the platforms of the wanted architectures.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"time"
)

const schema = `{"type":"object","properties":{"reverse":{"type":"boolean"},"panic":{"type":"string"}},` +
	`"additionalProperties":false}`

func main() {}

type config struct {
	Reverse bool   `json:"reverse"`
	Panic   string `json:"panic"`
}

//go:wasmexport dray:types/describe@0.1.0#get-info
func getInfo() uint32 {
	return place(record{
		text("mine-go"),
		text("0.1.0"),
		text("the offered platforms of the wanted architecture"),
		text(schema),
		list(0, nil),
		list(0, nil),
	})
}

//go:wasmexport dray:types/describe@0.1.0#check-config
func checkConfig(at, length uint32) uint32 {
	if _, err := readConfig(at, length); err != nil {
		return place(invalidConfig(err))
	}
	return place(record{uint64(0)})
}

//go:wasmexport dray:platform/matcher@0.1.0#rank
func rank(configAt, configLength, wantedAt, wantedCount, offeredAt, offeredCount uint32) uint32 {
	config, err := readConfig(configAt, configLength)
	if err != nil {
		return place(invalidConfig(err))
	}
	// The clock stands still and the garbage collector runs all the same.
	fmt.Fprintf(os.Stderr, "now is %v\n", time.Now().UTC())
	if config.Panic != "" {
		panic(config.Panic)
	}
	wanted := architectures(wantedAt, wantedCount)
	ranked := []uint32{}
	for index, architecture := range architectures(offeredAt, offeredCount) {
		if slices.Contains(wanted, architecture) {
			ranked = append(ranked, uint32(index))
		}
	}
	if config.Reverse {
		slices.Reverse(ranked)
	}
	log(debug, fmt.Sprintf("%d of %d platforms match", len(ranked), offeredCount))
	return place(record{uint64(0), list(len(ranked), numbers(ranked))})
}

func readConfig(at, length uint32) (config, error) {
	var read config
	err := json.Unmarshal(bytesAt(at, length), &read)
	return read, err
}

func invalidConfig(err error) record {
	// That it is an error, its class, code and message, and no time to wait.
	return record{uint64(1), uint64(0), text("not-accepted"), text(err.Error()), uint64(0), uint64(0)}
}

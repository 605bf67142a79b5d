package main

import (
	"encoding/binary"
	"unsafe"
)

// The canonical ABI of the component model, as far as this plugin needs it. Generators of bindings write this for
// TinyGo; pointers of Go's own compiler have eight bytes where the ABI has four.

// What the host was given an address of. The garbage collector does not move memory, and must not take this.
// An instance lives for one call, so nothing is given back.
var kept [][]byte

func keep(bytes []byte) uint32 {
	if len(bytes) == 0 {
		// Never read, but it has to be aligned.
		return 8
	}
	kept = append(kept, bytes)
	return uint32(uintptr(unsafe.Pointer(&bytes[0])))
}

// Where arguments are put, and the adapter for WASI keeps its state. It is not the runtime's memory: the adapter asks
// before the runtime has started, and a garbage collection would call imports, which is not allowed meanwhile.
var arena [1 << 20]byte
var arenaUsed uint32

//go:wasmexport cabi_realloc
func realloc(old, oldSize, align, size uint32) uint32 {
	base := uint32(uintptr(unsafe.Pointer(&arena)))
	at := (base + arenaUsed + align - 1) &^ (align - 1)
	arenaUsed = at + size - base
	if arenaUsed > uint32(len(arena)) {
		panic("the arguments are larger than expected")
	}
	if old != 0 {
		copy(bytesAt(at, size), bytesAt(old, oldSize))
	}
	return at
}

func bytesAt(at, length uint32) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(uintptr(at))), length)
}

func word(at uint32) uint32 {
	return binary.LittleEndian.Uint32(bytesAt(at, 4))
}

// Bytes of a platform: os, architecture, two optional texts and a list.
const platformSize = 8 + 8 + 12 + 12 + 8

func architectures(at, count uint32) []string {
	found := make([]string, count)
	for index := range found {
		platform := at + uint32(index)*platformSize
		found[index] = string(bytesAt(word(platform+8), word(platform+12)))
	}
	return found
}

// What a function returns: numbers of eight bytes, as which the case of a variant counts here, texts and lists.
type record []any

type view struct{ at, length uint32 }

func text(value string) view {
	return view{keep([]byte(value)), uint32(len(value))}
}

func list(count int, bytes []byte) view {
	return view{keep(bytes), uint32(count)}
}

func numbers(values []uint32) []byte {
	var bytes []byte
	for _, value := range values {
		bytes = binary.LittleEndian.AppendUint32(bytes, value)
	}
	return bytes
}

func place(fields record) uint32 {
	aligned := make([]uint64, 16)
	bytes := unsafe.Slice((*byte)(unsafe.Pointer(&aligned[0])), len(aligned)*8)[:0]
	for _, field := range fields {
		switch field := field.(type) {
		case uint64:
			bytes = binary.LittleEndian.AppendUint64(bytes, field)
		case view:
			bytes = binary.LittleEndian.AppendUint32(bytes, field.at)
			bytes = binary.LittleEndian.AppendUint32(bytes, field.length)
		}
	}
	return keep(bytes)
}

const debug = 1

func log(level uint32, message string) {
	line := text(message)
	logWrite(level, line.at, line.length)
}

//go:wasmimport dray:host/log@0.1.0 write
func logWrite(level, at, length uint32)

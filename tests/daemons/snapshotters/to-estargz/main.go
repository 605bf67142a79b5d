// Copies an OCI image layout, with its layers in eStargz form. What `make demo-lazy` pulls.
//
// usage: to-estargz LAYOUT COPY     the layout has one tag, for an index with one image
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/containerd/stargz-snapshotter/estargz"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: to-estargz LAYOUT COPY")
		os.Exit(2)
	}
	if err := convert(layout(os.Args[1]), layout(os.Args[2])); err != nil {
		fmt.Fprintln(os.Stderr, "to-estargz:", err)
		os.Exit(1)
	}
}

func convert(from, to layout) error {
	if err := os.MkdirAll(filepath.Dir(to.blob(digest.FromString(""))), 0o755); err != nil {
		return err
	}
	var tags, index v1.Index
	var manifest v1.Manifest
	var config v1.Image
	if err := read(filepath.Join(string(from), v1.ImageIndexFile), &tags); err != nil {
		return err
	}
	if err := read(from.blob(tags.Manifests[0].Digest), &index); err != nil {
		return err
	}
	if err := read(from.blob(index.Manifests[0].Digest), &manifest); err != nil {
		return err
	}
	if err := read(from.blob(manifest.Config.Digest), &config); err != nil {
		return err
	}
	for i := range manifest.Layers {
		layer, diffID, err := convertLayer(from, to, manifest.Layers[i])
		if err != nil {
			return err
		}
		manifest.Layers[i], config.RootFS.DiffIDs[i] = layer, diffID
	}
	// Each document has the digest of the one below.
	for _, step := range []struct {
		document   any
		descriptor *v1.Descriptor
	}{
		{config, &manifest.Config},
		{&manifest, &index.Manifests[0]},
		{&index, &tags.Manifests[0]},
	} {
		content, err := json.Marshal(step.document)
		if err != nil {
			return err
		}
		step.descriptor.Digest, step.descriptor.Size = digest.FromBytes(content), int64(len(content))
		if err := os.WriteFile(to.blob(step.descriptor.Digest), content, 0o644); err != nil {
			return err
		}
	}
	if err := write(filepath.Join(string(to), v1.ImageIndexFile), tags); err != nil {
		return err
	}
	version := v1.ImageLayout{Version: v1.ImageLayoutVersion}
	return write(filepath.Join(string(to), v1.ImageLayoutFile), version)
}

func convertLayer(from, to layout, layer v1.Descriptor) (v1.Descriptor, digest.Digest, error) {
	source, err := os.Open(from.blob(layer.Digest))
	if err != nil {
		return layer, "", err
	}
	defer source.Close()
	blob, err := estargz.Build(io.NewSectionReader(source, 0, layer.Size))
	if err != nil {
		return layer, "", err
	}
	defer blob.Close()
	target, err := os.CreateTemp(string(to), "layer")
	if err != nil {
		return layer, "", err
	}
	defer target.Close()
	digester := digest.Canonical.Digester()
	size, err := io.Copy(io.MultiWriter(target, digester.Hash()), blob)
	if err != nil {
		return layer, "", err
	}
	layer.Digest, layer.Size = digester.Digest(), size
	layer.Annotations = map[string]string{estargz.TOCJSONDigestAnnotation: blob.TOCDigest().String()}
	// The diff id is known once the whole blob is read.
	return layer, blob.DiffID(), os.Rename(target.Name(), to.blob(layer.Digest))
}

// A directory in the form of an OCI image layout.
type layout string

func (l layout) blob(name digest.Digest) string {
	return filepath.Join(string(l), v1.ImageBlobsDir, name.Algorithm().String(), name.Encoded())
}

func read(file string, document any) error {
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	return json.Unmarshal(content, document)
}

func write(file string, document any) error {
	content, err := json.Marshal(document)
	if err != nil {
		return err
	}
	return os.WriteFile(file, content, 0o644)
}

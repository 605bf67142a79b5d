import { write } from 'dray:host/log@0.1.0';

const INDEX = 'containerd.io/snapshot/my/index';

export const describe = {
  getInfo: () => ({
    name: 'mine-js',
    version: '0.1.0',
    summary: 'layers that my daemon can mount from afar',
    configSchema: '{"type":"object","properties":{"keep-blobs":{"type":"boolean"}},"additionalProperties":false}',
    features: [],
    extensions: [],
  }),
  checkConfig(text) {
    read(text);
  },
};

function read(text) {
  const config = JSON.parse(text);
  for (const [key, value] of Object.entries(config)) {
    if (key !== 'keep-blobs' || typeof value !== 'boolean') {
      throw { tag: 'invalid-config', val: { code: 'not-accepted', message: `\`${key}\` is not accepted` } };
    }
  }
  return { keepBlobs: config['keep-blobs'] ?? false };
}

export const planner = {
  plan(text, image) {
    const { keepBlobs } = read(text);
    let own = 0;
    const layers = image.layers.map(({ descriptor }) => {
      const found = descriptor.annotations.find(([key]) => key === INDEX);
      own += found ? 1 : 0;
      return {
        layer: descriptor.digest,
        question: found ? { tag: 'ask-with-labels', val: [found] } : { tag: 'ask' },
        expectation: found ? 'provided' : 'mounts',
        onMounts: 'fetch',
        onError: 'fail',
        keepBlob: keepBlobs,
        extensions: [],
      };
    });
    write('debug', `${own} of ${layers.length} layers have an index`);
    const suitability = own === 0 ? 'plain' : own < layers.length ? 'partial' : 'native';
    return {
      suitability,
      code: suitability,
      reason: `${own} of ${layers.length} layers are in the snapshotter's own format`,
      layers,
      hints: [],
      advice: [{ about: 'mirror', text: 'name the mirror in my.toml' }],
      lazyLabel: 'containerd.io/snapshot/my',
      verify: true,
      answerWithinS: 7,
      extensions: [],
    };
  },
};

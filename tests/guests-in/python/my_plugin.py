import json

from componentize_py_types import Err
from wit_world.exports.describe import Info
from wit_world.imports import log
from wit_world.imports.errors import Detail, Error_InvalidConfig


class Describe:
    def get_info(self):
        return Info(
            name="mine-py",
            version="0.1.0",
            summary="the offered platforms of the wanted architecture",
            config_schema='{"type":"object","properties":{"reverse":{"type":"boolean"}},"additionalProperties":false}',
            features=[],
            extensions=[],
        )

    def check_config(self, config):
        read(config)


class Matcher:
    def rank(self, config, wanted, offered):
        architectures = [platform.architecture for platform in wanted]
        ranked = [index for index, platform in enumerate(offered) if platform.architecture in architectures]
        log.write(log.Level.DEBUG, f"{len(ranked)} of {len(offered)} platforms match")
        return ranked[::-1] if read(config).get("reverse") else ranked


def read(text):
    config = json.loads(text)
    for key, value in config.items():
        if key != "reverse" or not isinstance(value, bool):
            raise Err(Error_InvalidConfig(Detail("not-accepted", f"`{key}` is not accepted", None)))
    return config

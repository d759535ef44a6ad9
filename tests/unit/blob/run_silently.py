#!/usr/bin/env python3
"""Runs a program under the Khronos validation layer and fails when the layer complains.

    run_silently.py PROGRAM ARGUMENT...
"""
import os
import re
import subprocess
import sys

LAYER = "VkLayer_khronos_validation.json"
FOLDERS = ["/usr/share/vulkan/explicit_layer.d", "/etc/vulkan/explicit_layer.d",
           "/usr/local/share/vulkan/explicit_layer.d"]


def main():
    if not any(os.path.exists(os.path.join(folder, LAYER)) for folder in FOLDERS):
        print("1..0 # SKIP the validation layer is not installed")
        return 0
    environment = dict(os.environ, VK_INSTANCE_LAYERS="VK_LAYER_KHRONOS_validation")
    result = subprocess.run(sys.argv[1:], env=environment, text=True, errors="replace",
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    messages = sorted(set(re.findall(r"\b(?:VUID|UNASSIGNED)-[\w-]+", result.stdout)))
    print("1..1")
    for line in result.stdout.splitlines():
        print("# " + line)
    verdict = "not ok" if result.returncode or messages else "ok"
    print(f"{verdict} 1 - the validation layer is silent" + "".join(f" {m}" for m in messages))
    return 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Writes the mock driver's commands from vk.xml.

    generate.py VK_XML OUTPUT.h OUTPUT.c SOURCE...

Each command gets an entry point that records the call, lets tests fail it or look at it, and
checks the handles among its parameters. A command whose impl_NAME is defined in one of the
SOURCEs then acts by that; the others follow from their names: vkCreate* and vkAllocate* hand out
handles, vkDestroy* and vkFree* end them, the rest succeed and leave no output.
"""
import re
import sys
import xml.etree.ElementTree as ElementTree


def is_vulkan(element):
    api = element.get("api")
    return api is None or "vulkan" in api.split(",")


class Registry:
    def __init__(self, path):
        root = ElementTree.parse(path).getroot()
        self.handles = {}  # type -> VkObjectType
        self.dispatchable = set()
        for element in root.find("types").findall("type"):
            if element.get("category") == "handle" and is_vulkan(element):
                name = element.findtext("name")
                if name and element.get("objtypeenum"):
                    self.handles[name] = element.get("objtypeenum")
                    if element.findtext("type") == "VK_DEFINE_HANDLE":
                        self.dispatchable.add(name)
        self.commands, self.aliases = {}, {}
        for element in root.find("commands").findall("command"):
            if not is_vulkan(element):
                continue
            if element.get("alias"):
                self.aliases[element.get("name")] = element.get("alias")
            else:
                command = Command(element, self)
                self.commands[command.name] = command
        self.providers = {}  # name -> ([core version], [extension])
        self.types = set()
        self.device_extensions = []
        for element in root.findall("feature"):
            if is_vulkan(element):
                major, minor = element.get("number").split(".")
                self.provide(element, f"VK_MAKE_API_VERSION(0, {major}, {minor}, 0)", None)
        for element in root.find("extensions"):
            if "vulkan" not in element.get("supported", "").split(","):
                continue
            if element.get("platform") or element.get("provisional") == "true":
                continue
            if element.get("type") == "device":
                self.device_extensions.append(element.get("name"))
            self.provide(element, None, element.get("name"))
        self.feature_structs = self.find_feature_structs(root)

    def provide(self, element, version, extension):
        for require in element.findall("require"):
            if not is_vulkan(require):
                continue
            for command in require.findall("command"):
                versions, extensions = self.providers.setdefault(command.get("name"), ([], []))
                if version:
                    versions.append(version)
                if extension:
                    extensions.append(extension)
            for type_ in require.findall("type"):
                self.types.add(type_.get("name"))

    def find_feature_structs(self, root):
        """Structures of the features chain that hold nothing but VkBool32."""
        found = []
        for element in root.find("types").findall("type"):
            extends = (element.get("structextends") or "").split(",")
            if element.get("name") not in self.types or not is_vulkan(element):
                continue
            if "VkPhysicalDeviceFeatures2" not in extends:
                continue
            members = [m for m in element.findall("member") if is_vulkan(m)]
            if all(m.findtext("type") == "VkBool32" for m in members[2:]):
                found.append((members[0].get("values"), element.get("name")))
        return sorted(found)

    def names(self):
        """(name, command) of everything that vkGet*ProcAddr may find."""
        for name in sorted(self.providers):
            target = name
            while target in self.aliases:
                target = self.aliases[target]
            yield name, self.commands[target]


class Parameter:
    def __init__(self, element, registry):
        self.name = element.findtext("name")
        self.type = element.findtext("type")
        self.text = " ".join("".join(t for t in element.itertext()).split())
        comment = element.findtext("comment")
        if comment:
            self.text = self.text.replace(comment, "").strip()
        self.pointers = self.text.count("*")
        self.const = self.text.startswith("const")
        self.len = (element.get("len") or "").split(",")[0]
        self.optional = "true" in (element.get("optional") or "").split(",")
        self.loose = element.get("noautovalidity") == "true"
        self.object_type = registry.handles.get(self.type)


class Command:
    def __init__(self, element, registry):
        self.name = element.findtext("proto/name")
        self.result = element.findtext("proto/type")
        self.params = [Parameter(p, registry) for p in element.findall("param") if is_vulkan(p)]

    @property
    def parameters(self):
        return ", ".join(p.text for p in self.params)

    @property
    def arguments(self):
        return ", ".join(p.name for p in self.params)

    @property
    def creates(self):
        last = self.params[-1]
        creating = re.match(r"vk(Create|Allocate|Register)[A-Z]", self.name)
        return last if creating and last.object_type and last.pointers and not last.const else None

    @property
    def destroys(self):
        if not re.match(r"vk(Destroy|Free)[A-Z]", self.name):
            return None
        handles = [p for p in self.params if p.object_type]
        return handles[-1] if handles else None


SCALARS = {"uint32_t", "uint64_t", "size_t", "VkBool32", "VkDeviceSize", "int", "int32_t"}


def uses(command):
    """Checks of the handles that a command is given."""
    lines = []
    for param in command.params:
        if not param.object_type or param is command.destroys or param is command.creates:
            continue
        null = "true" if param.optional or param.loose else "false"
        if param.pointers == 0:
            lines.append(f"    mock_use(MOCK_HANDLE({param.name}), {param.object_type}, {null},"
                         f' "{command.name}");')
        elif param.const and param.pointers == 1 and re.fullmatch(r"\w+", param.len):
            lines.append(f"    for (uint32_t i = 0; {param.name} && i < {param.len}; i++) {{")
            lines.append(f"        mock_use(MOCK_HANDLE({param.name}[i]), {param.object_type},"
                         f' true, "{command.name}");')
            lines.append("    }")
    return lines


def generic(command):
    """What a command does when nobody wrote an implementation."""
    lines = []
    created, destroyed = command.creates, command.destroys
    if created:
        parent = f"MOCK_HANDLE({command.params[0].name})"
        if command.name == "vkCreateInstance":
            parent = "0"
        elif command.name == "vkAllocateCommandBuffers":
            parent = "MOCK_HANDLE(pAllocateInfo->commandPool)"
        elif command.name == "vkAllocateDescriptorSets":
            parent = "MOCK_HANDLE(pAllocateInfo->descriptorPool)"
        count = created.len or "1"
        lines.append(f"    for (uint32_t i = 0; i < {count}; i++) {{")
        lines.append(f"        {created.name}[i] = ({created.type})(uintptr_t)"
                     f"mock_create({created.object_type}, {parent});")
        lines.append("    }")
    elif destroyed and destroyed.pointers:
        lines.append(f"    for (uint32_t i = 0; i < {destroyed.len}; i++) {{")
        lines.append(f"        mock_destroy(MOCK_HANDLE({destroyed.name}[i]),"
                     f' {destroyed.object_type}, "{command.name}");')
        lines.append("    }")
    elif destroyed:
        lines.append(f"    mock_destroy(MOCK_HANDLE({destroyed.name}), {destroyed.object_type},"
                     f' "{command.name}");')
    elif command.name == "vkResetDescriptorPool":
        lines.append("    mock_destroy_children(MOCK_HANDLE(descriptorPool));")
    else:
        for param in command.params:
            if param.type in SCALARS and param.pointers == 1 and not param.const and not param.len:
                lines.append(f"    if ({param.name}) {{")
                lines.append(f"        *{param.name} = 0;")
                lines.append("    }")
    return lines


def wrapper(command, written):
    result = command.result
    refused = {"void": "return;", "VkResult": "return result;"}.get(result, f"return ({result})0;")
    arguments = ", ".join(f"(void *)&{p.name}" for p in command.params)
    lines = [
        f"static VKAPI_ATTR {result} VKAPI_CALL mock_{command.name}({command.parameters})",
        "{",
        f"    void *const args[] = {{{arguments or 'NULL'}}};",
        "    VkResult result = VK_SUCCESS;",
        f"    if (!mock_enter(MOCK_{command.name}, args, &result)) {{",
        f"        {refused}",
        "    }",
    ]
    lines += uses(command)
    if command.name in written:
        call = f"impl_{command.name}({command.arguments});"
        lines.append(f"    {'' if result == 'void' else 'return '}{call}")
    else:
        lines += generic(command)
        if result == "VkResult":
            lines.append("    return VK_SUCCESS;")
        elif result == "VkDeviceAddress":
            lines.append("    return 0x100000;")
        elif result != "void":
            lines.append(f"    return ({result})0;")
    lines.append("}")
    return lines


def level(command):
    first = command.params[0].type if command.params else None
    if command.name == "vkGetDeviceProcAddr" or first in ("VkInstance", "VkPhysicalDevice"):
        return "MOCK_LEVEL_INSTANCE"
    if command.name == "vkGetInstanceProcAddr":
        return "MOCK_LEVEL_GLOBAL"
    if first in ("VkDevice", "VkQueue", "VkCommandBuffer"):
        return "MOCK_LEVEL_DEVICE"
    return "MOCK_LEVEL_GLOBAL"


def main():
    vk_xml, header_path, source_path, *sources = sys.argv[1:]
    registry = Registry(vk_xml)
    written = set()
    for path in sources:
        with open(path, encoding="utf-8") as file:
            written |= set(re.findall(r"^[\w *]*\bimpl_(vk\w+)\(", file.read(), re.MULTILINE))
    names = list(registry.names())
    commands = {command.name: command for _, command in names}
    written &= set(commands)

    header = [
        "// Generated by tests/mock_vk/generate.py from vk.xml.",
        "#ifndef MOCK_VK_COMMANDS_H",
        "#define MOCK_VK_COMMANDS_H",
        "",
        "#include <vulkan/vulkan_core.h>",
        "",
        "enum mock_command {",
        *(f"    MOCK_{name}," for name in sorted(commands)),
        "    MOCK_COMMAND_COUNT",
        "};",
        "",
        *(f"{commands[name].result} impl_{name}({commands[name].parameters});"
          for name in sorted(written)),
        "",
        "#endif",
    ]
    body = [
        "// Generated by tests/mock_vk/generate.py from vk.xml.",
        '#include "mock_vk_commands.h"',
        "",
        '#include "state.h"',
        "",
        "#include <stddef.h>",
        "",
    ]
    for name in sorted(commands):
        body += wrapper(commands[name], written) + [""]
    body.append("const struct mock_entry mock_entries[] = {")
    for name, command in names:
        versions, extensions = registry.providers[name]
        version = versions[0] if versions else "UINT32_MAX"
        listed = " ".join(extensions)
        body.append(f'    {{"{name}", (PFN_vkVoidFunction)mock_{command.name}, '
                    f'MOCK_{command.name}, {level(command)}, {version}, "{listed}"}},')
    body += [
        "};",
        "const size_t mock_entry_count = sizeof(mock_entries) / sizeof(mock_entries[0]);",
        "",
        "const char *const mock_command_names[MOCK_COMMAND_COUNT] = {",
        *(f'    "{name}",' for name in sorted(commands)),
        "};",
        "",
        "const struct mock_feature_struct mock_feature_structs[] = {",
        *(f"    {{{stype}, sizeof({name})}}," for stype, name in registry.feature_structs),
        "};",
        "const size_t mock_feature_struct_count =",
        "    sizeof(mock_feature_structs) / sizeof(mock_feature_structs[0]);",
        "",
        "const char *const mock_device_extensions[] = {",
        *(f'    "{name}",' for name in sorted(registry.device_extensions)),
        "    NULL,",
        "};",
    ]
    with open(header_path, "w", encoding="utf-8") as file:
        file.write("\n".join(header) + "\n")
    with open(source_path, "w", encoding="utf-8") as file:
        file.write("\n".join(body) + "\n")


if __name__ == "__main__":
    main()

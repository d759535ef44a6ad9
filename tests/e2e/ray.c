// Acceleration structures, ray queries and ray tracing pipelines.

#include <stdlib.h>
#include <string.h>

#include "cases.h"
#include "shaders.h"

enum { SIZE = 64, INSTANCES = 3 };

// The functions of VK_KHR_acceleration_structure.
struct functions {
    PFN_vkCreateAccelerationStructureKHR create;
    PFN_vkDestroyAccelerationStructureKHR destroy;
    PFN_vkGetAccelerationStructureBuildSizesKHR sizes;
    PFN_vkGetAccelerationStructureDeviceAddressKHR address;
    PFN_vkCmdBuildAccelerationStructuresKHR build;
    PFN_vkCmdBuildAccelerationStructuresIndirectKHR build_indirect;
    PFN_vkCmdCopyAccelerationStructureKHR copy;
    PFN_vkCmdCopyAccelerationStructureToMemoryKHR serialize;
    PFN_vkCmdCopyMemoryToAccelerationStructureKHR deserialize;
    PFN_vkCmdWriteAccelerationStructuresPropertiesKHR write_properties;
    PFN_vkGetDeviceAccelerationStructureCompatibilityKHR compatibility;
};

struct structure {
    VkAccelerationStructureKHR handle;
    struct e2e_buffer buffer;
    VkDeviceAddress address;
};

struct world {
    struct functions call;
    bool indirect; // can be built so
};

static void load_functions(struct e2e *t, struct functions *call)
{
    E2E_FUNCTION(t, CreateAccelerationStructureKHR);
    E2E_FUNCTION(t, DestroyAccelerationStructureKHR);
    E2E_FUNCTION(t, GetAccelerationStructureBuildSizesKHR);
    E2E_FUNCTION(t, GetAccelerationStructureDeviceAddressKHR);
    E2E_FUNCTION(t, CmdBuildAccelerationStructuresKHR);
    E2E_FUNCTION(t, CmdBuildAccelerationStructuresIndirectKHR);
    E2E_FUNCTION(t, CmdCopyAccelerationStructureKHR);
    E2E_FUNCTION(t, CmdCopyAccelerationStructureToMemoryKHR);
    E2E_FUNCTION(t, CmdCopyMemoryToAccelerationStructureKHR);
    E2E_FUNCTION(t, CmdWriteAccelerationStructuresPropertiesKHR);
    E2E_FUNCTION(t, GetDeviceAccelerationStructureCompatibilityKHR);
    *call = (struct functions){
        .create = CreateAccelerationStructureKHR,
        .destroy = DestroyAccelerationStructureKHR,
        .sizes = GetAccelerationStructureBuildSizesKHR,
        .address = GetAccelerationStructureDeviceAddressKHR,
        .build = CmdBuildAccelerationStructuresKHR,
        .build_indirect = CmdBuildAccelerationStructuresIndirectKHR,
        .copy = CmdCopyAccelerationStructureKHR,
        .serialize = CmdCopyAccelerationStructureToMemoryKHR,
        .deserialize = CmdCopyMemoryToAccelerationStructureKHR,
        .write_properties = CmdWriteAccelerationStructuresPropertiesKHR,
        .compatibility = GetDeviceAccelerationStructureCompatibilityKHR,
    };
}

// A device with acceleration structures and one or two extensions that use them. `features`, the
// chain of theirs, is asked for what the device has.
static void world_open(struct e2e *t, struct world *world, const char *user, const char *other,
                       void *features)
{
    const char *extensions[] = {VK_KHR_ACCELERATION_STRUCTURE_EXTENSION_NAME,
                                VK_KHR_DEFERRED_HOST_OPERATIONS_EXTENSION_NAME, user, other};
    VkPhysicalDeviceAccelerationStructureFeaturesKHR feature = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ACCELERATION_STRUCTURE_FEATURES_KHR,
        .pNext = features,
    };
    VkPhysicalDeviceFeatures2 ask = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
                                     .pNext = &feature};
    e2e_open_instance(t);
    for (uint32_t i = 0; i < 3; i++) {
        if (!e2e_has_extension(t, extensions[i])) {
            e2e_skip("the device lacks %s", extensions[i]);
        }
    }
    const bool has_other = other && e2e_has_extension(t, other);
    vkGetPhysicalDeviceFeatures2(t->physical, &ask);
    e2e_close(t);
    feature.accelerationStructureCaptureReplay = VK_FALSE;
    e2e_open(t, &(struct e2e_device_params){.extensions = extensions,
                                            .extension_count = has_other ? 4 : 3,
                                            .features = &feature});
    *world = (struct world){.indirect = feature.accelerationStructureIndirectBuild};
    load_functions(t, &world->call);
}

static VkDeviceAddress address_of(struct e2e *t, const struct e2e_buffer *buffer)
{
    const VkBufferDeviceAddressInfo info = {.sType = VK_STRUCTURE_TYPE_BUFFER_DEVICE_ADDRESS_INFO,
                                            .buffer = buffer->handle};
    return vkGetBufferDeviceAddress(t->device, &info);
}

static const VkBufferUsageFlags input_usage =
    VK_BUFFER_USAGE_ACCELERATION_STRUCTURE_BUILD_INPUT_READ_ONLY_BIT_KHR |
    VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT | VK_BUFFER_USAGE_INDIRECT_BUFFER_BIT;

static struct structure structure_make(struct e2e *t, struct world *world, VkDeviceSize size,
                                       VkAccelerationStructureTypeKHR type)
{
    struct structure made = {.buffer =
                                 e2e_buffer(t, size,
                                            VK_BUFFER_USAGE_ACCELERATION_STRUCTURE_STORAGE_BIT_KHR |
                                                VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT,
                                            E2E_LOCAL)};
    const VkAccelerationStructureCreateInfoKHR info = {
        .sType = VK_STRUCTURE_TYPE_ACCELERATION_STRUCTURE_CREATE_INFO_KHR,
        .buffer = made.buffer.handle,
        .size = size,
        .type = type,
    };
    OK(world->call.create(t->device, &info, NULL, &made.handle));
    const VkAccelerationStructureDeviceAddressInfoKHR ask = {
        .sType = VK_STRUCTURE_TYPE_ACCELERATION_STRUCTURE_DEVICE_ADDRESS_INFO_KHR,
        .accelerationStructure = made.handle,
    };
    made.address = world->call.address(t->device, &ask);
    CHECK(made.address, "an acceleration structure without an address");
    return made;
}

// Builds from one geometry. `indirect`: the number of primitives comes from a buffer.
static struct structure structure_build(struct e2e *t, struct world *world,
                                        const VkAccelerationStructureGeometryKHR *geometry,
                                        VkAccelerationStructureTypeKHR type, uint32_t primitives,
                                        bool indirect)
{
    VkAccelerationStructureBuildGeometryInfoKHR info = {
        .sType = VK_STRUCTURE_TYPE_ACCELERATION_STRUCTURE_BUILD_GEOMETRY_INFO_KHR,
        .type = type,
        .flags = VK_BUILD_ACCELERATION_STRUCTURE_ALLOW_COMPACTION_BIT_KHR,
        .mode = VK_BUILD_ACCELERATION_STRUCTURE_MODE_BUILD_KHR,
        .geometryCount = 1,
        .pGeometries = geometry,
    };
    VkAccelerationStructureBuildSizesInfoKHR sizes = {
        .sType = VK_STRUCTURE_TYPE_ACCELERATION_STRUCTURE_BUILD_SIZES_INFO_KHR};
    world->call.sizes(t->device, VK_ACCELERATION_STRUCTURE_BUILD_TYPE_DEVICE_KHR, &info,
                      &primitives, &sizes);
    e2e_print("type %d: %u bytes, %u to build", type, (unsigned)sizes.accelerationStructureSize,
              (unsigned)sizes.buildScratchSize);
    const struct structure made = structure_make(t, world, sizes.accelerationStructureSize, type);
    const struct e2e_buffer scratch = e2e_buffer(
        t, sizes.buildScratchSize + 4096,
        VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT, E2E_LOCAL);
    info.dstAccelerationStructure = made.handle;
    info.scratchData.deviceAddress = (address_of(t, &scratch) + 4095) / 4096 * 4096;
    const VkAccelerationStructureBuildRangeInfoKHR range = {.primitiveCount = primitives};
    VkCommandBuffer commands = e2e_begin(t);
    if (indirect) {
        const struct e2e_buffer counts = e2e_buffer_with(t, &range, sizeof(range), input_usage);
        const VkDeviceAddress place = address_of(t, &counts);
        const uint32_t stride = sizeof(range), *most = &primitives;
        world->call.build_indirect(commands, 1, &info, &place, &stride, &most);
    } else {
        const VkAccelerationStructureBuildRangeInfoKHR *ranges = &range;
        world->call.build(commands, 1, &info, &ranges);
    }
    e2e_barrier(commands);
    e2e_run(t, commands);
    return made;
}

static struct structure triangle_build(struct e2e *t, struct world *world, bool indirect)
{
    static const float corners[9] = {-0.5f, -0.5f, 0, 0.5f, -0.5f, 0, 0, 0.5f, 0};
    const struct e2e_buffer vertices = e2e_buffer_with(t, corners, sizeof(corners), input_usage);
    const VkAccelerationStructureGeometryKHR geometry = {
        .sType = VK_STRUCTURE_TYPE_ACCELERATION_STRUCTURE_GEOMETRY_KHR,
        .geometryType = VK_GEOMETRY_TYPE_TRIANGLES_KHR,
        .geometry.triangles =
            {
                .sType = VK_STRUCTURE_TYPE_ACCELERATION_STRUCTURE_GEOMETRY_TRIANGLES_DATA_KHR,
                .vertexFormat = VK_FORMAT_R32G32B32_SFLOAT,
                .vertexData.deviceAddress = address_of(t, &vertices),
                .vertexStride = 12,
                .maxVertex = 2,
                .indexType = VK_INDEX_TYPE_NONE_KHR,
            },
        .flags = VK_GEOMETRY_OPAQUE_BIT_KHR,
    };
    return structure_build(t, world, &geometry, VK_ACCELERATION_STRUCTURE_TYPE_BOTTOM_LEVEL_KHR, 1,
                           indirect);
}

// Three triangles at different places and depths.
static struct structure scene_build(struct e2e *t, struct world *world,
                                    const struct structure *triangle)
{
    VkAccelerationStructureInstanceKHR instances[INSTANCES];
    for (uint32_t i = 0; i < INSTANCES; i++) {
        const float x = (float)i * 0.4f - 0.4f, z = (float)i * 0.5f;
        instances[i] = (VkAccelerationStructureInstanceKHR){
            .transform = {{{1, 0, 0, x}, {0, 1, 0, x / 2}, {0, 0, 1, z}}},
            .instanceCustomIndex = (10 + i) & 0xffffff,
            .mask = 0xff,
            .flags = VK_GEOMETRY_INSTANCE_TRIANGLE_FACING_CULL_DISABLE_BIT_KHR,
            .accelerationStructureReference = triangle->address,
        };
    }
    const struct e2e_buffer buffer = e2e_buffer_with(t, instances, sizeof(instances), input_usage);
    const VkAccelerationStructureGeometryKHR geometry = {
        .sType = VK_STRUCTURE_TYPE_ACCELERATION_STRUCTURE_GEOMETRY_KHR,
        .geometryType = VK_GEOMETRY_TYPE_INSTANCES_KHR,
        .geometry.instances =
            {
                .sType = VK_STRUCTURE_TYPE_ACCELERATION_STRUCTURE_GEOMETRY_INSTANCES_DATA_KHR,
                .data.deviceAddress = address_of(t, &buffer),
            },
    };
    return structure_build(t, world, &geometry, VK_ACCELERATION_STRUCTURE_TYPE_TOP_LEVEL_KHR,
                           INSTANCES, false);
}

// -- what rays see ----------------------------------------------------------------------------

// A set with the scene and a buffer of results.
struct view {
    struct e2e_set set;
    struct e2e_buffer results;
};

static struct view view_make(struct e2e *t, const struct structure *scene, VkShaderStageFlags stage)
{
    const VkDescriptorSetLayoutBinding layout[] = {
        {0, VK_DESCRIPTOR_TYPE_ACCELERATION_STRUCTURE_KHR, 1, stage, NULL},
        {1, VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 1, stage, NULL}};
    const VkDescriptorPoolSize sizes[] = {{VK_DESCRIPTOR_TYPE_ACCELERATION_STRUCTURE_KHR, 1},
                                          {VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 1}};
    struct view view = {
        .set.set_layout = e2e_set_layout(t, layout, COUNT(layout), 0, NULL),
        .results = e2e_buffer_with(t, NULL, SIZE * SIZE * 16, VK_BUFFER_USAGE_STORAGE_BUFFER_BIT),
    };
    view.set.layout = e2e_pipeline_layout(t, view.set.set_layout, 0, 0);
    const VkDescriptorSetAllocateInfo allocate = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
        .descriptorPool = e2e_pool(t, 1, sizes, COUNT(sizes), 0, NULL),
        .descriptorSetCount = 1,
        .pSetLayouts = &view.set.set_layout,
    };
    OK(vkAllocateDescriptorSets(t->device, &allocate, &view.set.set));
    const VkWriteDescriptorSetAccelerationStructureKHR structures = {
        .sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET_ACCELERATION_STRUCTURE_KHR,
        .accelerationStructureCount = 1,
        .pAccelerationStructures = &scene->handle,
    };
    const VkWriteDescriptorSet write = {
        .sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
        .pNext = &structures,
        .dstSet = view.set.set,
        .descriptorCount = 1,
        .descriptorType = VK_DESCRIPTOR_TYPE_ACCELERATION_STRUCTURE_KHR,
    };
    vkUpdateDescriptorSets(t->device, 1, &write, 0, NULL);
    const struct e2e_binding storage = e2e_bind_storage(&view.results);
    e2e_set_write(t, view.set.set, 1, 0, &storage);
    return view;
}

static void view_digest(const struct view *view, const char *label)
{
    // A ray through the middle triangle, and one that hits nothing.
    const float *results = view->results.map;
    CHECK(results[(32 * SIZE + 32) * 4] > 0, "%s: nothing in the middle", label);
    CHECK(results[0] == -1, "%s: something in the corner", label);
    e2e_digest(label, view->results.map, view->results.size);
}

static void query_rays(struct e2e *t, const struct structure *scene, const char *label)
{
    const struct view view = view_make(t, scene, VK_SHADER_STAGE_COMPUTE_BIT);
    const VkPipeline pipeline = e2e_compute(t, CODE(rays_comp), view.set.layout, NULL);
    VkCommandBuffer commands = e2e_begin(t);
    e2e_use(commands, pipeline, &view.set);
    vkCmdDispatch(commands, SIZE / 8, SIZE / 8, 1);
    e2e_barrier(commands);
    e2e_run(t, commands);
    view_digest(&view, label);
}

static void query_open(struct e2e *t, struct world *world)
{
    VkPhysicalDeviceRayQueryFeaturesKHR queries = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_RAY_QUERY_FEATURES_KHR,
    };
    world_open(t, world, VK_KHR_RAY_QUERY_EXTENSION_NAME, NULL, &queries);
}

void case_ray_query(struct e2e *t)
{
    struct world world;
    query_open(t, &world);
    const struct structure triangle = triangle_build(t, &world, false);
    const struct structure scene = scene_build(t, &world, &triangle);
    query_rays(t, &scene, "rays");
    world.call.destroy(t->device, scene.handle, NULL);
    world.call.destroy(t->device, triangle.handle, NULL);
}

void case_ray_indirect_build(struct e2e *t)
{
    struct world world;
    query_open(t, &world);
    if (!world.indirect) {
        e2e_skip("no indirect builds");
    }
    const struct structure triangle = triangle_build(t, &world, true);
    const struct structure scene = scene_build(t, &world, &triangle);
    query_rays(t, &scene, "rays");
    world.call.destroy(t->device, scene.handle, NULL);
    world.call.destroy(t->device, triangle.handle, NULL);
}

// Asks for a property of a structure: a size.
static VkDeviceSize ask_size(struct e2e *t, struct world *world, const struct structure *structure,
                             VkQueryType type)
{
    const VkQueryPoolCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO, .queryType = type, .queryCount = 1};
    VkQueryPool pool = VK_NULL_HANDLE;
    OK(vkCreateQueryPool(t->device, &info, NULL, &pool));
    KEEP(t, QUERY_POOL, pool);
    VkCommandBuffer commands = e2e_begin(t);
    vkCmdResetQueryPool(commands, pool, 0, 1);
    world->call.write_properties(commands, 1, &structure->handle, type, pool, 0);
    e2e_run(t, commands);
    uint64_t size = 0;
    OK(vkGetQueryPoolResults(t->device, pool, 0, 1, sizeof(size), &size, sizeof(size),
                             VK_QUERY_RESULT_64_BIT | VK_QUERY_RESULT_WAIT_BIT));
    CHECK(size, "a size of 0");
    e2e_print("query %d: %u bytes", type, (unsigned)size);
    return size;
}

// The triangle is compacted, written to memory and read back; the copy is what rays see.
void case_ray_structure_copies(struct e2e *t)
{
    static const VkAccelerationStructureTypeKHR bottom =
        VK_ACCELERATION_STRUCTURE_TYPE_BOTTOM_LEVEL_KHR;
    struct world world;
    query_open(t, &world);
    const struct structure triangle = triangle_build(t, &world, false);
    const struct structure compact = structure_make(
        t, &world,
        ask_size(t, &world, &triangle, VK_QUERY_TYPE_ACCELERATION_STRUCTURE_COMPACTED_SIZE_KHR),
        bottom);
    VkCopyAccelerationStructureInfoKHR copy = {
        .sType = VK_STRUCTURE_TYPE_COPY_ACCELERATION_STRUCTURE_INFO_KHR,
        .src = triangle.handle,
        .dst = compact.handle,
        .mode = VK_COPY_ACCELERATION_STRUCTURE_MODE_COMPACT_KHR,
    };
    VkCommandBuffer commands = e2e_begin(t);
    world.call.copy(commands, &copy);
    e2e_barrier(commands);
    e2e_run(t, commands);

    const VkDeviceSize size =
        ask_size(t, &world, &compact, VK_QUERY_TYPE_ACCELERATION_STRUCTURE_SERIALIZATION_SIZE_KHR);
    const struct e2e_buffer memory = e2e_buffer_with(t, NULL, size + 256,
                                                     VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT |
                                                         VK_BUFFER_USAGE_TRANSFER_DST_BIT);
    const VkDeviceAddress place = (address_of(t, &memory) + 255) / 256 * 256;
    const VkCopyAccelerationStructureToMemoryInfoKHR out = {
        .sType = VK_STRUCTURE_TYPE_COPY_ACCELERATION_STRUCTURE_TO_MEMORY_INFO_KHR,
        .src = compact.handle,
        .dst.deviceAddress = place,
        .mode = VK_COPY_ACCELERATION_STRUCTURE_MODE_SERIALIZE_KHR,
    };
    commands = e2e_begin(t);
    world.call.serialize(commands, &out);
    e2e_barrier(commands);
    e2e_run(t, commands);
    // Two UUIDs, the size here and the size when it is a structure again.
    const uint8_t *bytes = (const uint8_t *)memory.map + (place - address_of(t, &memory));
    uint64_t sizes[2];
    memcpy(sizes, bytes + 2 * VK_UUID_SIZE, sizeof(sizes));
    CHECK(sizes[0] == size, "%u bytes in memory", (unsigned)sizes[0]);
    const VkAccelerationStructureVersionInfoKHR version = {
        .sType = VK_STRUCTURE_TYPE_ACCELERATION_STRUCTURE_VERSION_INFO_KHR, .pVersionData = bytes};
    VkAccelerationStructureCompatibilityKHR fits = 0;
    world.call.compatibility(t->device, &version, &fits);
    CHECK(fits == VK_ACCELERATION_STRUCTURE_COMPATIBILITY_COMPATIBLE_KHR, "not its own version");

    const struct structure again = structure_make(t, &world, sizes[1], bottom);
    const VkCopyMemoryToAccelerationStructureInfoKHR in = {
        .sType = VK_STRUCTURE_TYPE_COPY_MEMORY_TO_ACCELERATION_STRUCTURE_INFO_KHR,
        .src.deviceAddress = place,
        .dst = again.handle,
        .mode = VK_COPY_ACCELERATION_STRUCTURE_MODE_DESERIALIZE_KHR,
    };
    commands = e2e_begin(t);
    world.call.deserialize(commands, &in);
    e2e_barrier(commands);
    e2e_run(t, commands);
    const struct structure scene = scene_build(t, &world, &again);
    query_rays(t, &scene, "rays");
    world.call.destroy(t->device, scene.handle, NULL);
    world.call.destroy(t->device, again.handle, NULL);
    world.call.destroy(t->device, compact.handle, NULL);
    world.call.destroy(t->device, triangle.handle, NULL);
}

// -- pipelines --------------------------------------------------------------------------------

static VkPipeline ray_pipeline(struct e2e *t, VkPipelineLayout layout, bool dynamic_stack,
                               VkPipelineCreateFlags flags)
{
    E2E_FUNCTION(t, CreateRayTracingPipelinesKHR);
    static const VkDynamicState dynamic = VK_DYNAMIC_STATE_RAY_TRACING_PIPELINE_STACK_SIZE_KHR;
    const VkPipelineDynamicStateCreateInfo states = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_DYNAMIC_STATE_CREATE_INFO,
        .dynamicStateCount = 1,
        .pDynamicStates = &dynamic,
    };
    const struct {
        VkShaderStageFlagBits stage;
        struct e2e_code code;
    } list[] = {{VK_SHADER_STAGE_RAYGEN_BIT_KHR, CODE(camera_rgen)},
                {VK_SHADER_STAGE_MISS_BIT_KHR, CODE(nothing_rmiss)},
                {VK_SHADER_STAGE_CLOSEST_HIT_BIT_KHR, CODE(surface_rchit)}};
    VkPipelineShaderStageCreateInfo stages[3];
    VkRayTracingShaderGroupCreateInfoKHR groups[3];
    for (uint32_t i = 0; i < 3; i++) {
        const bool hit = i == 2;
        stages[i] = (VkPipelineShaderStageCreateInfo){
            .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
            .stage = list[i].stage,
            .module = e2e_module(t, list[i].code),
            .pName = "main",
        };
        groups[i] = (VkRayTracingShaderGroupCreateInfoKHR){
            .sType = VK_STRUCTURE_TYPE_RAY_TRACING_SHADER_GROUP_CREATE_INFO_KHR,
            .type = hit ? VK_RAY_TRACING_SHADER_GROUP_TYPE_TRIANGLES_HIT_GROUP_KHR
                        : VK_RAY_TRACING_SHADER_GROUP_TYPE_GENERAL_KHR,
            .generalShader = hit ? VK_SHADER_UNUSED_KHR : i,
            .closestHitShader = hit ? i : VK_SHADER_UNUSED_KHR,
            .anyHitShader = VK_SHADER_UNUSED_KHR,
            .intersectionShader = VK_SHADER_UNUSED_KHR,
        };
    }
    const VkRayTracingPipelineCreateInfoKHR info = {
        .sType = VK_STRUCTURE_TYPE_RAY_TRACING_PIPELINE_CREATE_INFO_KHR,
        .flags = flags,
        .stageCount = 3,
        .pStages = stages,
        .groupCount = 3,
        .pGroups = groups,
        .maxPipelineRayRecursionDepth = 1,
        .pDynamicState = dynamic_stack ? &states : NULL,
        .layout = layout,
    };
    VkPipeline pipeline = VK_NULL_HANDLE;
    OK(CreateRayTracingPipelinesKHR(t->device, VK_NULL_HANDLE, VK_NULL_HANDLE, 1, &info, NULL,
                                    &pipeline));
    KEEP(t, PIPELINE, pipeline);
    for (uint32_t i = 0; i < 3; i++) {
        vkDestroyShaderModule(t->device, stages[i].module, NULL);
    }
    return pipeline;
}

// The shader binding table: one group a region.
struct table {
    struct e2e_buffer buffer;
    VkStridedDeviceAddressRegionKHR regions[3], callable;
};

static struct table table_make(struct e2e *t, VkPipeline pipeline)
{
    E2E_FUNCTION(t, GetRayTracingShaderGroupHandlesKHR);
    VkPhysicalDeviceRayTracingPipelinePropertiesKHR limits = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_RAY_TRACING_PIPELINE_PROPERTIES_KHR};
    vkGetPhysicalDeviceProperties2(
        t->physical,
        &(VkPhysicalDeviceProperties2){.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
                                       .pNext = &limits});
    const uint32_t size = limits.shaderGroupHandleSize;
    const VkDeviceSize base = limits.shaderGroupBaseAlignment;
    uint8_t handles[3 * 64];
    CHECK(size <= 64, "handles of %u bytes", size);
    OK(GetRayTracingShaderGroupHandlesKHR(t->device, pipeline, 0, 3, 3 * size, handles));
    struct table table = {.buffer = e2e_buffer_with(t, NULL, base * 4,
                                                    VK_BUFFER_USAGE_SHADER_BINDING_TABLE_BIT_KHR |
                                                        VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT)};
    const VkDeviceAddress start = address_of(t, &table.buffer);
    const VkDeviceAddress first = (start + base - 1) / base * base;
    for (uint32_t i = 0; i < 3; i++) {
        memcpy((char *)table.buffer.map + (first - start) + i * base, handles + (size_t)i * size,
               size);
        table.regions[i] = (VkStridedDeviceAddressRegionKHR){first + i * base, base, base};
    }
    return table;
}

static void bind_rays(VkCommandBuffer commands, VkPipeline pipeline, const struct view *view)
{
    vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_RAY_TRACING_KHR, pipeline);
    vkCmdBindDescriptorSets(commands, VK_PIPELINE_BIND_POINT_RAY_TRACING_KHR, view->set.layout, 0,
                            1, &view->set.set, 0, NULL);
}

void case_ray_pipeline(struct e2e *t)
{
    VkPhysicalDeviceRayTracingMaintenance1FeaturesKHR more = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_RAY_TRACING_MAINTENANCE_1_FEATURES_KHR,
    };
    VkPhysicalDeviceRayTracingPipelineFeaturesKHR pipelines = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_RAY_TRACING_PIPELINE_FEATURES_KHR,
        .pNext = &more,
    };
    struct world world;
    world_open(t, &world, VK_KHR_RAY_TRACING_PIPELINE_EXTENSION_NAME,
               VK_KHR_RAY_TRACING_MAINTENANCE_1_EXTENSION_NAME, &pipelines);
    E2E_FUNCTION(t, CmdTraceRaysKHR);
    E2E_FUNCTION(t, CmdTraceRaysIndirectKHR);
    E2E_FUNCTION(t, GetRayTracingShaderGroupStackSizeKHR);
    E2E_FUNCTION(t, CmdSetRayTracingPipelineStackSizeKHR);
    const struct structure triangle = triangle_build(t, &world, false);
    const struct structure scene = scene_build(t, &world, &triangle);
    const struct view view = view_make(t, &scene, VK_SHADER_STAGE_RAYGEN_BIT_KHR);

    const VkPipeline pipeline = ray_pipeline(t, view.set.layout, false, 0);
    const struct table table = table_make(t, pipeline);
    VkCommandBuffer commands = e2e_begin(t);
    bind_rays(commands, pipeline, &view);
    CmdTraceRaysKHR(commands, &table.regions[0], &table.regions[1], &table.regions[2],
                    &table.callable, SIZE, SIZE, 1);
    e2e_barrier(commands);
    e2e_run(t, commands);
    view_digest(&view, "traced");

    // With a stack of a size that is set, and a number of rays from memory.
    static const VkShaderGroupShaderKHR kinds[3] = {VK_SHADER_GROUP_SHADER_GENERAL_KHR,
                                                    VK_SHADER_GROUP_SHADER_GENERAL_KHR,
                                                    VK_SHADER_GROUP_SHADER_CLOSEST_HIT_KHR};
    const VkPipeline dynamic = ray_pipeline(t, view.set.layout, true, 0);
    const struct table again = table_make(t, dynamic);
    VkDeviceSize stack = 0;
    for (uint32_t i = 0; i < 3; i++) {
        stack += GetRayTracingShaderGroupStackSizeKHR(t->device, dynamic, i, kinds[i]);
    }
    e2e_print("stack of %u bytes", (unsigned)stack);
    const VkTraceRaysIndirectCommandKHR size = {SIZE, SIZE, 1};
    const struct e2e_buffer counts = e2e_buffer_with(t, &size, sizeof(size), input_usage);
    memset(view.results.map, 0, view.results.size);
    commands = e2e_begin(t);
    bind_rays(commands, dynamic, &view);
    CmdSetRayTracingPipelineStackSizeKHR(commands, (uint32_t)stack);
    if (pipelines.rayTracingPipelineTraceRaysIndirect) {
        CmdTraceRaysIndirectKHR(commands, &again.regions[0], &again.regions[1], &again.regions[2],
                                &again.callable, address_of(t, &counts));
    } else {
        CmdTraceRaysKHR(commands, &again.regions[0], &again.regions[1], &again.regions[2],
                        &again.callable, SIZE, SIZE, 1);
    }
    e2e_barrier(commands);
    e2e_run(t, commands);
    view_digest(&view, "traced indirectly");

    if (more.rayTracingPipelineTraceRaysIndirect2) {
        E2E_FUNCTION(t, CmdTraceRaysIndirect2KHR);
        const VkTraceRaysIndirectCommand2KHR all = {
            .raygenShaderRecordAddress = table.regions[0].deviceAddress,
            .raygenShaderRecordSize = table.regions[0].size,
            .missShaderBindingTableAddress = table.regions[1].deviceAddress,
            .missShaderBindingTableSize = table.regions[1].size,
            .missShaderBindingTableStride = table.regions[1].stride,
            .hitShaderBindingTableAddress = table.regions[2].deviceAddress,
            .hitShaderBindingTableSize = table.regions[2].size,
            .hitShaderBindingTableStride = table.regions[2].stride,
            .width = SIZE,
            .height = SIZE,
            .depth = 1,
        };
        const struct e2e_buffer call = e2e_buffer_with(t, &all, sizeof(all), input_usage);
        memset(view.results.map, 0, view.results.size);
        commands = e2e_begin(t);
        bind_rays(commands, pipeline, &view);
        CmdTraceRaysIndirect2KHR(commands, address_of(t, &call));
        e2e_barrier(commands);
        e2e_run(t, commands);
        view_digest(&view, "traced by a buffer");
    }
    world.call.destroy(t->device, scene.handle, NULL);
    world.call.destroy(t->device, triangle.handle, NULL);
}

void case_ray_captured_handles(struct e2e *t)
{
    VkPhysicalDeviceRayTracingPipelineFeaturesKHR pipelines = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_RAY_TRACING_PIPELINE_FEATURES_KHR,
    };
    struct world world;
    world_open(t, &world, VK_KHR_RAY_TRACING_PIPELINE_EXTENSION_NAME, NULL, &pipelines);
    if (!pipelines.rayTracingPipelineShaderGroupHandleCaptureReplay) {
        e2e_skip("no handles to capture");
    }
    E2E_FUNCTION(t, GetRayTracingCaptureReplayShaderGroupHandlesKHR);
    VkPhysicalDeviceRayTracingPipelinePropertiesKHR limits = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_RAY_TRACING_PIPELINE_PROPERTIES_KHR};
    vkGetPhysicalDeviceProperties2(
        t->physical,
        &(VkPhysicalDeviceProperties2){.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
                                       .pNext = &limits});
    const struct structure triangle = triangle_build(t, &world, false);
    const struct structure scene = scene_build(t, &world, &triangle);
    const struct view view = view_make(t, &scene, VK_SHADER_STAGE_RAYGEN_BIT_KHR);
    const VkPipeline pipeline =
        ray_pipeline(t, view.set.layout, false,
                     VK_PIPELINE_CREATE_RAY_TRACING_SHADER_GROUP_HANDLE_CAPTURE_REPLAY_BIT_KHR);
    const size_t size = limits.shaderGroupHandleCaptureReplaySize;
    uint8_t *handles = e2e_alloc(3, size);
    OK(GetRayTracingCaptureReplayShaderGroupHandlesKHR(t->device, pipeline, 0, 3, 3 * size,
                                                       handles));
    e2e_print("three handles of %u bytes", (unsigned)size);
    free(handles);
    world.call.destroy(t->device, scene.handle, NULL);
    world.call.destroy(t->device, triangle.handle, NULL);
}

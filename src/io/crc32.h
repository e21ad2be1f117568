#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace dstorch {

/// The CRC-32 of zip, PNG and Ethernet (reflected polynomial 0xEDB88320) of `bytes`, continued from `before`.
uint32_t crc32(std::span<const std::byte> bytes, uint32_t before = 0) noexcept;

}  // namespace dstorch

// For clang only. LibTorch 1.13 names std::vector<IValue> while IValue is incomplete; libstdc++ 12 makes vector's
// members constexpr in C++20, and clang (14 to 16 at least) instantiates those at once, which fails. Without constexpr
// it waits.
#pragma GCC system_header
#pragma push_macro("_GLIBCXX20_CONSTEXPR")
#undef _GLIBCXX20_CONSTEXPR
#define _GLIBCXX20_CONSTEXPR
#include_next <bits/stl_vector.h>
#pragma pop_macro("_GLIBCXX20_CONSTEXPR")

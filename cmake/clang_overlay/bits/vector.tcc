// For clang only: as stl_vector.h, whose members and those of stl_bvector.h this defines.
#pragma GCC system_header
#pragma push_macro("_GLIBCXX20_CONSTEXPR")
#undef _GLIBCXX20_CONSTEXPR
#define _GLIBCXX20_CONSTEXPR
#include_next <bits/vector.tcc>
#pragma pop_macro("_GLIBCXX20_CONSTEXPR")

// SPDX-License-Identifier: Apache-2.0
package org.slf4j;

public interface Logger {
    void debug(String message);

    void warn(String message);
}

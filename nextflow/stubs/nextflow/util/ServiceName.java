// SPDX-License-Identifier: Apache-2.0
package nextflow.util;

import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;

@Retention(RetentionPolicy.RUNTIME)
public @interface ServiceName {
    String value();
}
